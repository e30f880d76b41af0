// The book of leases: owners, ports, quotas, expiry, epoch, a changing outside address. Knows core/portmap/mapping_book
// with an engine that is a table; refuses messages. RFC 6887 sections 8.5, 11.3, 15; RFC 6886 section 3.3.
#include "core/portmap/mapping_book.hpp"

#include <gtest/gtest.h>

#include "tests/support/portmap_gateway.hpp"

namespace ginnel::portmap {
namespace {

using test::lan;
using test::outside_at;
using test::tcp_protocol;
using test::udp_protocol;
using What = LeaseEvent::What;

class MappingBookTest : public ::testing::Test {
 protected:
  explicit MappingBookTest(BookLimits limits = {}) : book(now, test::lan_networks, limits, engine, rng) {
    book.set_external(now, test::gateway_outside);
  }

  Wish wish(const Address& inside, uint16_t port = 0, uint8_t protocol = udp_protocol, Method method = Method::pcp) {
    return {.method = method, .protocol = protocol, .inside = inside, .port = port, .lifetime = 1h, .description = {}};
  }
  std::optional<Address> ask(const Wish& w) {
    auto outcome = book.ask(now, w);
    if (auto* lease = std::get_if<Lease>(&outcome)) return lease->forward.outside;
    return {};
  }
  std::optional<Refusal> refused(const Wish& w) {
    auto outcome = book.ask(now, w);
    auto* why = std::get_if<Refusal>(&outcome);
    return why ? std::optional(*why) : std::nullopt;
  }
  std::vector<What> events() {
    std::vector<What> out;
    while (auto event = book.poll_event()) out.push_back(event->what);
    return out;
  }
  void pass(Duration d) {
    now += d;
    book.handle_timeout(now);
  }

  test::SeededRng rng;
  test::TableEngine engine;
  Instant now{1h};
  MappingBook book;
};

TEST_F(MappingBookTest, GivesTheSuggestedPortThenTheInsideOneThenAny) {
  EXPECT_EQ(ask(wish(lan(2), 5000)), outside_at(5000));
  EXPECT_EQ(ask(wish(lan(3), 5000)), outside_at(40000)) << "5000 is another's";
  auto third = ask(wish(lan(4), 5000));
  ASSERT_TRUE(third);
  EXPECT_NE(third->port, 5000);
  EXPECT_NE(third->port, 40000);
  EXPECT_TRUE(engine.leads(udp_protocol, *third, lan(4)));
  EXPECT_EQ(events(), (std::vector{What::mapped, What::mapped, What::mapped}));
}

TEST_F(MappingBookTest, AFlowOfTheEngineHasItsPort) {
  engine.taken = {5000, 40000};
  auto outside = ask(wish(lan(2), 5000));
  ASSERT_TRUE(outside);
  EXPECT_FALSE(engine.taken.contains(outside->port));
  Wish only = wish(lan(3), 5000);
  only.no_other = true;
  EXPECT_EQ(refused(only), Refusal::taken);
}

TEST_F(MappingBookTest, ThatPortOrNone) {
  Wish only = wish(lan(2), 5000);
  only.no_other = true;
  EXPECT_EQ(ask(only), outside_at(5000));
  only.inside = lan(3);
  EXPECT_EQ(refused(only), Refusal::taken);
  only.inside = lan(2);
  only.port = 5001;
  EXPECT_EQ(refused(only), Refusal::taken) << "this endpoint has a lease already, of another port";
  only.inside = lan(3);
  only.port = 1023;
  EXPECT_EQ(refused(only), Refusal::not_permitted);
  EXPECT_EQ(engine.forwards.size(), 1u);
}

TEST_F(MappingBookTest, LowPortsAreNotGivenAway) {
  for (uint16_t port : {1, 22, 80, 1023}) {
    auto outside = ask(wish(lan(2, port), port));
    ASSERT_TRUE(outside);
    EXPECT_GE(outside->port, 1024);
  }
  EXPECT_EQ(ask(wish(lan(2, 1024), 1024)), outside_at(1024));
}

TEST_F(MappingBookTest, BothProtocolsOfAPortGoToOneHost) {
  EXPECT_EQ(ask(wish(lan(2), 5000, udp_protocol)), outside_at(5000));
  EXPECT_NE(ask(wish(lan(3), 5000, tcp_protocol)), outside_at(5000));
  EXPECT_EQ(ask(wish(lan(2), 5000, tcp_protocol)), outside_at(5000));
}

TEST_F(MappingBookTest, RenewalKeepsThePort) {
  EXPECT_EQ(ask(wish(lan(2), 5000)), outside_at(5000));
  pass(59min);
  EXPECT_EQ(ask(wish(lan(2), 6000)), outside_at(5000)) << "an endpoint has one lease";
  pass(59min);
  EXPECT_EQ(book.size(), 1u);
  pass(1min);
  EXPECT_EQ(book.size(), 0u);
  EXPECT_TRUE(engine.forwards.empty());
  EXPECT_EQ(events(), (std::vector{What::mapped, What::expired}));
  EXPECT_FALSE(book.next_deadline());
}

TEST_F(MappingBookTest, WithoutTheNonceNobodyRenews) {
  Wish own = wish(lan(2), 5000);
  own.nonce = {1, 2, 3};
  ask(own);
  Wish forged = own;
  forged.nonce = {1, 2, 4};
  EXPECT_EQ(refused(forged), Refusal::not_owner);
  EXPECT_EQ(ask(own), outside_at(5000));
}

TEST_F(MappingBookTest, ProtocolsSeeButCannotTakeEachOthersLeases) {
  EXPECT_EQ(ask(wish(lan(2), 5000, udp_protocol, Method::pcp)), outside_at(5000));
  EXPECT_NE(ask(wish(lan(2), 5000, udp_protocol, Method::nat_pmp)), outside_at(5000));
  Wish upnp = wish(lan(2), 5000, udp_protocol, Method::upnp);
  upnp.no_other = true;
  EXPECT_EQ(refused(upnp), Refusal::taken);
  Lease foreign = *book.at(udp_protocol, 5000);
  foreign.method = Method::upnp;
  book.release(foreign);
  EXPECT_TRUE(book.at(udp_protocol, 5000));
}

TEST_F(MappingBookTest, UpnpGivesOneEndpointSeveralPorts) {
  EXPECT_EQ(ask(wish(lan(2), 5000, tcp_protocol, Method::upnp)), outside_at(5000));
  EXPECT_EQ(ask(wish(lan(2), 5001, tcp_protocol, Method::upnp)), outside_at(5001));
  EXPECT_EQ(ask(wish(lan(2), 5000, tcp_protocol, Method::upnp)), outside_at(5000));
  EXPECT_EQ(book.size(), 2u);
}

TEST_F(MappingBookTest, ReleaseFreesThePort) {
  ask(wish(lan(2), 5000));
  book.release(*book.of(Method::pcp, udp_protocol, lan(2)));
  EXPECT_TRUE(engine.forwards.empty());
  EXPECT_EQ(ask(wish(lan(3), 5000)), outside_at(5000));
}

TEST_F(MappingBookTest, PortsReturnToThePool) {
  for (int i = 0; i < 10'000; ++i) {
    ask(wish(lan(static_cast<uint8_t>(2 + i % 200)), 5000));
    book.release(*book.nth(0));
  }
  EXPECT_EQ(book.size(), 0u);
  EXPECT_TRUE(engine.forwards.empty());
  EXPECT_EQ(ask(wish(lan(2), 5000)), outside_at(5000));
}

struct SmallBook : MappingBookTest {
  SmallBook() : MappingBookTest({.per_host = 3, .total = 5, .port_min = 2000, .port_max = 2009}) {}
};

TEST_F(SmallBook, QuotaOfAHostAndOfAll) {
  for (uint16_t i = 0; i < 3; ++i) EXPECT_TRUE(ask(wish(lan(2, 100 + i))));
  EXPECT_EQ(refused(wish(lan(2, 200))), Refusal::host_full);
  EXPECT_TRUE(ask(wish(lan(2, 100)))) << "a renewal is no new lease";
  EXPECT_TRUE(ask(wish(lan(3, 100))) && ask(wish(lan(3, 101))));
  EXPECT_EQ(refused(wish(lan(3, 102))), Refusal::book_full);
  EXPECT_TRUE(ask(wish(lan(2, 102)))) << "who came first still works";
  book.release(*book.of(Method::pcp, udp_protocol, lan(2, 100)));
  EXPECT_TRUE(ask(wish(lan(4, 100)))) << "and what was given back can be given again";
}

TEST_F(SmallBook, AnEngineWithoutPorts) {
  engine.refuses_all = true;
  EXPECT_EQ(refused(wish(lan(2))), Refusal::book_full);
  EXPECT_EQ(book.size(), 0u);
  engine.refuses_all = false;
  EXPECT_TRUE(ask(wish(lan(2))));
}

TEST_F(MappingBookTest, EpochCountsSecondsAndBeginsAnewWhenTheAddressChanges) {
  EXPECT_EQ(book.epoch(now), 0u);
  pass(1999ms);
  EXPECT_EQ(book.epoch(now), 1u);
  ask(wish(lan(2), 5000));
  EXPECT_FALSE(book.set_external(now, test::gateway_outside.with_port(9))) << "it is the same";
  EXPECT_EQ(book.epoch(now), 1u);
  const Address moved = Address::v4(198, 51, 100, 8, 0);
  EXPECT_TRUE(book.set_external(now, moved));
  EXPECT_EQ(book.epoch(now), 0u);
  EXPECT_TRUE(engine.leads(udp_protocol, moved.with_port(5000), lan(2)));
  EXPECT_EQ(engine.forwards.size(), 1u);
  EXPECT_EQ(ask(wish(lan(2))), moved.with_port(5000));
}

TEST_F(MappingBookTest, LeasesThatCannotMoveEnd) {
  ask(wish(lan(2), 5000));
  ask(wish(lan(3), 5001));
  engine.taken = {5001};
  book.set_external(now, Address::v4(198, 51, 100, 8, 0));
  EXPECT_EQ(book.size(), 1u);
  EXPECT_EQ(events(), (std::vector{What::mapped, What::mapped, What::unmapped}));
  book.set_external(now, {});
  EXPECT_EQ(book.size(), 0u);
  EXPECT_TRUE(engine.forwards.empty());
  EXPECT_EQ(refused(wish(lan(2))), Refusal::no_address);
}

TEST_F(MappingBookTest, ResetForgetsEverything) {
  ask(wish(lan(2), 5000));
  pass(10s);
  book.reset(now);
  EXPECT_EQ(book.size(), 0u);
  EXPECT_EQ(book.epoch(now), 0u);
  EXPECT_TRUE(engine.forwards.empty());
}

TEST_F(MappingBookTest, EventsThatNobodyTakesAreBounded) {
  for (int i = 0; i < 1000; ++i) {
    ask(wish(lan(2), 5000));
    book.release(*book.nth(0));
  }
  EXPECT_EQ(events().size(), MappingBook::events_max);
}

TEST(Prefix, Contains) {
  Prefix p{Address::v4(192, 168, 5, 1, 0), 20};
  EXPECT_TRUE(p.contains(Address::v4(192, 168, 0, 9, 1)));
  EXPECT_TRUE(p.contains(Address::v4(192, 168, 15, 255, 1)));
  EXPECT_FALSE(p.contains(Address::v4(192, 168, 16, 0, 1)));
  EXPECT_FALSE(p.contains(*Address::parse("[::1]:1")));
  EXPECT_TRUE((Prefix{Address::v4(1, 2, 3, 4, 0), 0}).contains(Address::v4(9, 9, 9, 9, 0)));
  EXPECT_TRUE((Prefix{Address::v4(1, 2, 3, 4, 0), 32}).contains(Address::v4(1, 2, 3, 4, 7)));
  EXPECT_FALSE((Prefix{Address::v4(1, 2, 3, 4, 0), 32}).contains(Address::v4(1, 2, 3, 5, 7)));
}

}  // namespace
}  // namespace ginnel::portmap
