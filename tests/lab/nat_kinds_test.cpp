// Do the kernel's NATs translate and filter as their names claim? One row a kind, asked with packets.
#include "lab/topology.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/mirror.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kOne = "203.0.113.10";
constexpr const char* kOther = "203.0.113.11";

/// A server with two addresses and a site of this kind.
struct Behind {
  explicit Behind(const std::string& kind) {
    const auto parsed = parse_nat_kind(kind);
    Plan plan{.nats = {{.name = "gw", .kind = *parsed}},
              .hosts = {{.name = "server", .addresses = {kOne, kOther}}, {.name = "home", .behind = "gw"}}};
    lab.build(*complete_plan(plan));
    server = &lab.host("server");
    home = &lab.host("home");
    outside = parsed->translates() ? lab.host("gw").address : home->address;
  }

  Lab lab;
  const Host* server = nullptr;
  const Host* home = nullptr;
  std::string outside;  ///< where home is seen
};

/// One network with a home behind each kind, all of which ask at the same time.
struct Street {
  explicit Street(const std::vector<std::string>& kinds) {
    Plan plan{.hosts = {{.name = "server", .addresses = {kOne, kOther}}}};
    for (size_t i = 0; i < kinds.size(); ++i) {
      const std::string number = std::to_string(i);
      plan.nats.push_back({.name = "gw" + number, .kind = *parse_nat_kind(kinds[i])});
      plan.hosts.push_back({.name = "home" + number, .behind = "gw" + number});
    }
    lab.build(*complete_plan(plan));
    mirrors.push_back(start_mirror(lab.host("server"), kOne, kOther));
    mirrors.push_back(start_mirror(lab.host("server"), kOther, "", 7002));
  }
  std::vector<std::vector<Seen>> ask_from_all(size_t homes, const std::vector<Question>& questions) {
    std::vector<Process> askers;
    for (size_t i = 0; i < homes; ++i) askers.push_back(start_asking(lab.host("home" + std::to_string(i)), questions));
    std::vector<std::vector<Seen>> out;
    for (auto& asker : askers) out.push_back(answers(asker));
    return out;
  }

  Lab lab;
  std::vector<Process> mirrors;
};

TEST(LabNatKinds, MapAndFilterAsTheirNamesSay) {
  const struct {
    const char *kind, *ports;  ///< for two destinations: kept, same, differ, none
    bool other_port, other_address;
  } rows[] = {
      {"none", "kept", true, true},          {"fw", "kept", false, false},
      {"home", "kept", false, false},        {"linux-open", "kept", false, false},
      {"symmetric", "differ", false, false}, {"cone", "same", true, true},
      {"arcone", "same", true, false},       {"prcone", "same", false, false},
      {"udp-blocked", "none", false, false}, {"strict", "none", false, false},
  };
  std::vector<std::string> kinds;
  for (const auto& row : rows) kinds.push_back(row.kind);
  in_sandbox([&] {
    Street street(kinds);
    const auto all =
        street.ask_from_all(kinds.size(), {{kOne}, {kOther, 7002}, {kOne, 7001, From::other_port}, {kOne}});
    for (size_t i = 0; i < kinds.size(); ++i) {
      SCOPED_TRACE(kinds[i]);
      const auto& seen = all[i];
      ASSERT_EQ(seen.size(), 4u);
      const bool same = seen[0].port == seen[1].port;
      const std::string ports = seen[0].port == "-"       ? "none"
                                : !same                   ? "differ"
                                : seen[0].port == "40000" ? "kept"
                                                          : "same";
      EXPECT_EQ(ports, rows[i].ports) << seen[0].port << ", " << seen[1].port;
      EXPECT_EQ(seen[2].port != "-", rows[i].other_port);
      EXPECT_EQ(seen[3].port, ports == "none" ? "-" : seen[0].port) << "the mapping stays";
    }
  });
  in_sandbox([&] {  // on its own: the first address that a NAT sees must be the only one
    Street street(kinds);
    const auto all = street.ask_from_all(kinds.size(), {{kOne, 7001, From::other_address}});
    for (size_t i = 0; i < kinds.size(); ++i) EXPECT_EQ(all[i].at(0).port != "-", rows[i].other_address) << kinds[i];
  });
}

TEST(LabNatKinds, AnOpenGatewayRemembersStrangers) {
  // A stranger's packet occupies the port that the home would get for it (nat.md 2.3 of the facts; conntrack).
  for (const auto& [kind, kept] : {std::pair("home", true), std::pair("linux-open", false)}) {
    SCOPED_TRACE(kind);
    in_sandbox([&, kind = kind, kept = kept] {
      Behind net(kind);
      knock(*net.server, 7001, net.outside, 40000);
      Process mirror = start_mirror(*net.server, kOne);
      EXPECT_EQ(ask(*net.home, {kOne}) == "40000", kept);
    });
  }
}

TEST(LabNatKinds, WhatStrangersMeet) {
  const struct {
    const char* kind;
    Door door;
  } rows[] = {{"home", Door::silent},
              {"home+strangers=reset", Door::refused},
              {"linux-open", Door::refused},
              {"symmetric", Door::silent},
              {"symmetric+strangers=reset", Door::refused},
              {"fw", Door::silent},
              {"fw+strangers=reset", Door::refused},
              {"none", Door::open}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.kind);
    in_sandbox([&] {
      Behind net(row.kind);
      Process listener = start_listener(*net.home, "0.0.0.0", 8000);
      EXPECT_EQ(knock_tcp(*net.server, net.outside, 8000), row.door);
    });
  }
}

TEST(LabNatKinds, StrictLetsOnlyTheWebOut) {
  in_sandbox([] {
    Behind net("strict");
    std::vector<Process> listeners;
    for (const uint16_t port : {80, 443, 22, 8080}) listeners.push_back(start_listener(*net.server, kOne, port));
    EXPECT_EQ(knock_tcp(*net.home, kOne, 80), Door::open);
    EXPECT_EQ(knock_tcp(*net.home, kOne, 443), Door::open);
    EXPECT_EQ(knock_tcp(*net.home, kOne, 22), Door::silent);
    EXPECT_EQ(knock_tcp(*net.home, kOne, 8080), Door::silent);
  });
}

TEST(LabNatKinds, RebootForgets) {
  for (const char* kind : {"symmetric", "cone"}) {
    SCOPED_TRACE(kind);
    in_sandbox([&] {
      Behind net(kind);
      Process mirror = start_mirror(*net.server, kOne);
      const std::string before = ask(*net.home, {kOne});
      EXPECT_EQ(ask(*net.home, {kOne}), before) << "it remembers";
      net.lab.reboot_nat("gw");
      EXPECT_NE(ask(*net.home, {kOne}), before);
    });
  }
}

}  // namespace
}  // namespace ginnel::lab
