// STUN layout and short-term credentials against RFC 5769's vectors, round trips, and the hostile cases of
// facts/reliability.md 5.2. Knows wire/stun and core/stun/credentials; refuses to know transactions (keepalive_test).
// RFC 8489 sections 5, 6.3, 14; RFC 5769; RFC 8445 section 16.1.
#include "wire/stun.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/crypto/mac.hpp"
#include "core/stun/credentials.hpp"
#include "tests/support/hex.hpp"
#include "tests/support/seeded_rng.hpp"
#include "wire/crc32.hpp"

namespace ginnel::wire {
namespace {

using test::from_hex;

constexpr std::string_view rfc5769_password = "VOkJxbRl1RmTxUk/WvJxBt";

const std::vector<uint8_t> rfc5769_request = from_hex(
    "00010058 2112a442 b7e7a701bc34d686fa87dfae"
    "80220010 5354554e207465737420636c69656e74"
    "00240004 6e0001ff 80290008 932ff9b151263b36"
    "00060009 6576746a3a68367659202020"
    "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004 e57a3bcf");

const std::vector<uint8_t> rfc5769_response_v4 = from_hex(
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220"
    "00200008 0001a147e112a643"
    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004 c07d4c96");

const std::vector<uint8_t> rfc5769_response_v6 = from_hex(
    "01010048 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220"
    "00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004 c8fb0b4c");

const TransactionId id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

// A bare request with the given attributes behind it; the header's length is right.
std::vector<uint8_t> request_with(const std::vector<uint8_t>& attributes) {
  std::vector<uint8_t> out = from_hex("00010000 2112a442 0102030405060708090a0b0c");
  out.insert(out.end(), attributes.begin(), attributes.end());
  out[2] = static_cast<uint8_t>((out.size() - 20) >> 8);
  out[3] = static_cast<uint8_t>(out.size() - 20);
  return out;
}

std::vector<uint8_t> signed_check(size_t pad_to = 0) {
  std::vector<uint8_t> room(65536);
  StunWriter out(room, StunClass::request, stun_binding, id);
  out.username("their:mine");
  out.priority(0x6e0001ff);
  out.ice_controlling(0x1122334455667788);
  out.use_candidate();
  if (pad_to > 0) out.pad_to(pad_to);
  Bytes whole = stun::sign(out, "password");
  return {whole.begin(), whole.end()};
}

TEST(Stun, Rfc5769SampleRequest) {
  auto m = parse_stun(rfc5769_request);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->cls, StunClass::request);
  EXPECT_EQ(m->method, stun_binding);
  EXPECT_EQ(m->username, "evtj:h6vY");
  EXPECT_EQ(m->priority, 0x6e0001ffu);
  EXPECT_EQ(m->ice_controlled, 0x932ff9b151263b36u);
  EXPECT_FALSE(m->ice_controlling);
  EXPECT_TRUE(m->fingerprint_ok);
  EXPECT_FALSE(m->unknown_required);
  EXPECT_EQ(m->size, rfc5769_request.size());
  EXPECT_TRUE(stun::verify(rfc5769_request, *m, rfc5769_password));
  EXPECT_FALSE(stun::verify(rfc5769_request, *m, "VOkJxbRl1RmTxUk/WvJxBu"));
  EXPECT_FALSE(stun::verify(rfc5769_request, *m, ""));
}

TEST(Stun, Rfc5769SampleIpv4Response) {
  auto m = parse_stun(rfc5769_response_v4);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->cls, StunClass::success);
  ASSERT_TRUE(m->xor_mapped_address);
  EXPECT_EQ(m->xor_mapped_address->to_string(), "192.0.2.1:32853");
  EXPECT_TRUE(m->fingerprint_ok);
  EXPECT_TRUE(stun::verify(rfc5769_response_v4, *m, rfc5769_password));
}

TEST(Stun, Rfc5769SampleIpv6Response) {
  auto m = parse_stun(rfc5769_response_v6);
  ASSERT_TRUE(m);
  ASSERT_TRUE(m->xor_mapped_address);
  EXPECT_EQ(m->xor_mapped_address->to_string(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
  EXPECT_TRUE(m->fingerprint_ok);
  EXPECT_TRUE(stun::verify(rfc5769_response_v6, *m, rfc5769_password));
}

// RFC 5769 section 2.4 uses long-term credentials, which ginnel does not speak: REALM and NONCE are unknown attributes
// to it. The MAC still checks with the key given directly, MD5 of "user:realm:password".
TEST(Stun, Rfc5769LongTermRequestParses) {
  auto datagram = from_hex(
      "00010060 2112a442 78ad3433c6ad72c029da412e"
      "00060012 e3839ee38388e383aae38383e382afe382b90000"
      "0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341"
      "0014000b 6578616d706c652e6f726700"
      "00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666");
  auto m = parse_stun(datagram);
  ASSERT_TRUE(m);
  EXPECT_TRUE(m->unknown_required);
  EXPECT_FALSE(m->fingerprint_ok);
  EXPECT_TRUE(stun::verify(datagram, *m, as_text(from_hex("e8ca7ad59d5eb0518e312911d2dab2a9"))));
}

TEST(Stun, EveryAttributeSurvivesARoundTrip) {
  for (const char* text : {"192.0.2.1:1", "[2001:db8::1]:65535", "0.0.0.0:0", "255.255.255.255:443"}) {
    std::vector<uint8_t> room(512);
    StunWriter out(room, StunClass::error, 0xabc, id);
    out.xor_mapped_address(*Address::parse(text));
    out.username("a:b");
    out.error_code(487);
    out.priority(7);
    out.use_candidate();
    out.ice_controlled(8);
    out.ice_controlling(9);
    out.server_instance(10);
    Bytes whole = stun::sign(out, "password");
    auto m = parse_stun(whole);
    ASSERT_TRUE(m) << text;
    EXPECT_EQ(m->cls, StunClass::error);
    EXPECT_EQ(m->method, 0xabc);
    EXPECT_EQ(m->id, id);
    EXPECT_EQ(m->xor_mapped_address, Address::parse(text));
    EXPECT_EQ(m->username, "a:b");
    EXPECT_EQ(m->error_code, 487);
    EXPECT_EQ(m->priority, 7u);
    EXPECT_TRUE(m->use_candidate);
    EXPECT_EQ(m->ice_controlled, 8u);
    EXPECT_EQ(m->ice_controlling, 9u);
    EXPECT_EQ(m->server_instance, 10u);
    EXPECT_TRUE(m->fingerprint_ok);
    EXPECT_FALSE(m->unknown_required);
    EXPECT_EQ(m->size, whole.size());
    EXPECT_TRUE(stun::verify(whole, *m, "password"));
  }
}

TEST(Stun, EveryClassAndMethodSurvivesARoundTrip) {
  for (int cls = 0; cls < 4; ++cls) {
    for (uint16_t method = 0; method < 0x1000; ++method) {
      std::array<uint8_t, 20> room;
      StunWriter out(room, static_cast<StunClass>(cls), method, id);
      auto m = parse_stun(out.finish());
      ASSERT_TRUE(m);
      ASSERT_EQ(static_cast<int>(m->cls), cls);
      ASSERT_EQ(m->method, method);
    }
  }
}

TEST(Stun, PaddingMakesTheMessageExactlyThatLong) {
  size_t bare = signed_check().size();
  for (size_t total : {bare + 4, bare + 8, size_t{576}, size_t{1200}, size_t{1452}, size_t{65000}}) {
    auto whole = signed_check(total);
    EXPECT_EQ(whole.size(), total);
    auto m = parse_stun(whole);
    ASSERT_TRUE(m) << total;
    EXPECT_TRUE(stun::verify(whole, *m, "password"));
    EXPECT_FALSE(m->unknown_required);
  }
  for (size_t total : {size_t{4}, bare - 4, bare}) EXPECT_EQ(signed_check(total).size(), bare) << total;
}

TEST(Stun, WriterInTooLittleRoomGivesNothing) {
  size_t needed = signed_check().size();
  for (size_t size = 0; size < needed; ++size) {
    std::vector<uint8_t> room(size);
    StunWriter out(room, StunClass::request, stun_binding, id);
    out.username("their:mine");
    out.priority(1);
    out.ice_controlling(2);
    out.use_candidate();
    out.xor_mapped_address(Address::v4(192, 0, 2, 1, 1));
    EXPECT_TRUE(stun::sign(out, "password").empty()) << size;
  }
}

TEST(Stun, EveryTruncationIsRefused) {
  auto whole = signed_check();
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(parse_stun(Bytes(whole).first(size))) << size;
  whole.push_back(0);
  EXPECT_FALSE(parse_stun(whole));
}

// The length in the header agrees with the cut, so only the attributes' own bounds can tell.
TEST(Stun, EveryHonestTruncationIsRefusedOrUnsigned) {
  auto whole = signed_check();
  for (size_t size = 20; size < whole.size(); ++size) {
    std::vector<uint8_t> cut(whole.begin(), whole.begin() + size);
    cut[3] = static_cast<uint8_t>(size - 20);
    auto m = parse_stun(cut);
    if (size % 4 != 0) {
      EXPECT_FALSE(m) << size;
    }
    if (m && size < whole.size() - 8) {
      EXPECT_FALSE(m->integrity) << size;
    }
    if (m) {
      EXPECT_FALSE(m->fingerprint_ok) << size;
    }
  }
}

TEST(Stun, EveryFlippedBitIsNoticed) {
  auto whole = signed_check();
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    auto flipped = whole;
    flipped[bit / 8] ^= 1 << bit % 8;
    auto m = parse_stun(flipped);
    bool trusted = m && m->fingerprint_ok && stun::verify(flipped, *m, "password");
    EXPECT_FALSE(trusted) << bit;
  }
}

TEST(Stun, HeaderThatIsNotStunIsRefused) {
  const auto good = request_with({});
  ASSERT_TRUE(parse_stun(good));
  for (size_t byte = 4; byte < 8; ++byte) {
    auto cookie = good;
    cookie[byte] ^= 0x10;
    EXPECT_FALSE(parse_stun(cookie));
  }
  for (uint8_t top : {0x40, 0x80, 0xc0}) {
    auto bits = good;
    bits[0] |= top;
    EXPECT_FALSE(parse_stun(bits));
  }
  EXPECT_FALSE(parse_stun({}));
  EXPECT_FALSE(parse_stun(from_hex("00010000 00000000 0102030405060708090a0b0c")));  // RFC 3489
}

TEST(Stun, LengthNotAMultipleOfFourIsRefused) {
  for (size_t extra = 1; extra < 4; ++extra) EXPECT_FALSE(parse_stun(request_with(std::vector<uint8_t>(extra))));
}

TEST(Stun, AttributeThatRunsPastTheEndIsRefused) {
  EXPECT_FALSE(parse_stun(request_with(from_hex("8022ffff"))));
  EXPECT_FALSE(parse_stun(request_with(from_hex("8022ffff 00000000"))));
  EXPECT_FALSE(parse_stun(request_with(from_hex("80220005 00000000"))));
  EXPECT_TRUE(parse_stun(request_with(from_hex("80220004 00000000"))));
  EXPECT_TRUE(parse_stun(request_with(from_hex("80220001 00ffffff"))));  // padding may be anything
}

TEST(Stun, KnownAttributesOfTheWrongSizeAreRefused) {
  for (const char* attribute :
       {"00200008 0003a147e112a643",                                    // XOR-MAPPED-ADDRESS: family 3
        "00200008 0002a147e112a643",                                    // ... IPv6 of four bytes
        "00200004 0001a147",                                            // ... no address
        "00200000",                                                     // ... nothing
        "00090003 00000400",                                            // ERROR-CODE: three bytes
        "00090004 00000200", "00090004 00000700", "00090004 00000464",  // ... class 2, class 7, number 100
        "00240003 00000000", "00240000", "00240008 0000000000000000",   // PRIORITY
        "00250004 00000000",                                            // USE-CANDIDATE has no value
        "80290004 00000000", "802a0004 00000000",                       // tie-breakers
        "c47e0002 00000000",                                            // SERVER-INSTANCE
        "00080010 00000000000000000000000000000000",                    // MESSAGE-INTEGRITY
        "80280000"}) {
    EXPECT_FALSE(parse_stun(request_with(from_hex(attribute)))) << attribute;
  }
}

TEST(Stun, UsernameBounds) {
  auto datagram = request_with(from_hex("00060000"));  // outlives the views into it
  auto m = parse_stun(datagram);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->username, "");
  std::vector<uint8_t> longest = from_hex("000601fc");
  longest.resize(4 + 508, 'a');
  EXPECT_TRUE(parse_stun(request_with(longest)));
  longest[3] = 0xfd;
  longest.resize(4 + 512, 'a');
  EXPECT_FALSE(parse_stun(request_with(longest)));
}

TEST(Stun, FirstOfFiveHundredDuplicatesCounts) {
  std::vector<uint8_t> attributes;
  for (int i = 0; i < 500; ++i) {
    auto one = from_hex("00240004 00000000 00060001 61000000");
    one[6] = static_cast<uint8_t>(i >> 8);
    one[7] = static_cast<uint8_t>(i);
    one[12] = static_cast<uint8_t>('a' + i % 26);
    attributes.insert(attributes.end(), one.begin(), one.end());
  }
  auto datagram = request_with(attributes);  // outlives the views into it
  auto m = parse_stun(datagram);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->priority, 0u);
  EXPECT_EQ(m->username, "a");
}

TEST(Stun, AttributesAfterIntegrityAreIgnored) {
  std::vector<uint8_t> room(512);
  StunWriter out(room, StunClass::request, stun_binding, id);
  out.priority(1);
  out.integrity(crypto::hmac_sha1(as_bytes("password"), out.integrity_input()));
  out.username("attacker:x");
  out.use_candidate();
  out.ice_controlling(1);
  out.xor_mapped_address(Address::v4(192, 0, 2, 1, 1));
  out.integrity({});  // a second one: not the one that counts
  out.fingerprint();
  Bytes whole = out.finish();
  auto m = parse_stun(whole);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->priority, 1u);
  EXPECT_FALSE(m->username);
  EXPECT_FALSE(m->use_candidate);
  EXPECT_FALSE(m->ice_controlling);
  EXPECT_FALSE(m->xor_mapped_address);
  EXPECT_TRUE(m->fingerprint_ok);
  EXPECT_TRUE(stun::verify(whole, *m, "password"));
}

TEST(Stun, AttributesOfBehaviourDiscovery) {
  std::array<uint8_t, 200> room;
  StunWriter out(room, StunClass::success, stun_binding, TransactionId{1});
  out.change_request(stun_change_ip | stun_change_port);
  out.response_port(4711);
  out.response_origin(Address::v4(192, 0, 2, 1, 3478));
  out.other_address(*Address::parse("[2001:db8::1]:3479"));
  auto m = parse_stun(out.finish());
  ASSERT_TRUE(m);
  EXPECT_EQ(m->change_request, 6u);
  EXPECT_EQ(m->response_port, 4711);
  EXPECT_EQ(m->response_origin, Address::v4(192, 0, 2, 1, 3478));
  EXPECT_EQ(m->other_address, *Address::parse("[2001:db8::1]:3479"));
  EXPECT_FALSE(m->unknown_required);
  EXPECT_TRUE(parse_stun(request_with(from_hex("00270002 1267 0000"))));
  EXPECT_FALSE(parse_stun(request_with(from_hex("00270008 1267000000000000"))));
  EXPECT_FALSE(parse_stun(request_with(from_hex("802c0008 0003000000000000")))) << "no such family";
}

TEST(Stun, UnknownRequiredAfterIntegrityIsIgnoredAndBeforeItIsFlagged) {
  auto before = parse_stun(request_with(from_hex("00040004 00000006")));
  ASSERT_TRUE(before);
  EXPECT_TRUE(before->unknown_required);
  auto optional = parse_stun(request_with(from_hex("80040004 00000006")));
  ASSERT_TRUE(optional);
  EXPECT_FALSE(optional->unknown_required);
  auto after =
      parse_stun(request_with(from_hex("00080014 0000000000000000000000000000000000000000 00040004 00000006")));
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->unknown_required);
}

TEST(Stun, FingerprintMustBeRightAndLast) {
  std::vector<uint8_t> room(128);
  StunWriter out(room, StunClass::request, stun_binding, id);
  out.fingerprint();
  Bytes good = out.finish();
  ASSERT_TRUE(parse_stun(good));
  std::vector<uint8_t> wrong(good.begin(), good.end());
  wrong.back() ^= 1;
  EXPECT_FALSE(parse_stun(wrong));

  out.priority(1);  // behind it
  EXPECT_FALSE(parse_stun(out.finish()));

  // Not last, but with the CRC that it would have if the header's length ended with it, and with the whole length.
  for (uint8_t length : {8, 16}) {
    auto datagram = request_with(from_hex("80280004 00000000 00240004 00000001"));
    datagram[3] = length;
    Writer(MutableBytes(datagram).subspan(24, 4)).u32(crc32(Bytes(datagram).first(20)) ^ 0x5354554e);
    datagram[3] = 16;
    EXPECT_FALSE(parse_stun(datagram)) << int{length};
  }
}

TEST(Stun, VerifyWithoutIntegrityIsFalse) {
  auto datagram = request_with({});
  auto m = parse_stun(datagram);
  ASSERT_TRUE(m);
  EXPECT_FALSE(stun::verify(datagram, *m, ""));
}

TEST(Stun, MappedIpv6AddressIsReducedToIpv4) {
  std::array<uint8_t, 16> mask;
  Writer masks(mask);
  masks.u32(0x2112a442);
  masks.put(id);
  auto attribute = from_hex("00200014 0002a147 00000000000000000000ffffc0000201");
  for (size_t i = 0; i < 16; ++i) attribute[8 + i] ^= mask[i];
  auto m = parse_stun(request_with(attribute));
  ASSERT_TRUE(m);
  ASSERT_TRUE(m->xor_mapped_address);
  EXPECT_EQ(*m->xor_mapped_address, Address::v4(192, 0, 2, 1, 32853));
}

TEST(Stun, RandomBytesBehindAGoodHeaderNeverCrash) {
  test::SeededRng rng(5389);
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> attributes;
    for (uint64_t count = rng.below(10); count > 0; --count) {  // small lengths, so that some of them fit
      uint8_t size = static_cast<uint8_t>(rng.below(24));
      std::vector<uint8_t> one(4 + (size + 3) / 4 * 4);
      rng.fill(one);
      one[0] = rng.below(2) ? 0x00 : 0x80;
      one[1] &= 0x2f;
      one[2] = 0;
      one[3] = size;
      attributes.insert(attributes.end(), one.begin(), one.end());
    }
    auto datagram = request_with(attributes);
    auto m = parse_stun(datagram);
    if (m && m->integrity) {
      EXPECT_FALSE(stun::verify(datagram, *m, "password"));
    }
  }
}

TEST(Crc32, CheckValue) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xcbf43926u);
  EXPECT_EQ(crc32({}), 0u);
  EXPECT_EQ(crc32(as_bytes("56789"), crc32(as_bytes("1234"))), 0xcbf43926u);
}

}  // namespace
}  // namespace ginnel::wire
