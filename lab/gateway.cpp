#include "lab/gateway.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "lab/agent.hpp"
#include "lab/conntrack.hpp"
#include "lab/error.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::lab {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Gateway::Gateway(const Host& host, const NatKind& kind, const std::string& binary, const std::vector<std::string>& pool)
    : host_(host), kind_(kind), binary_(binary), control_(state_home(host.name()) + "/ginnel/nat.sock") {
  if (const std::string rules = nat_rules(kind_); !rules.empty()) host_.nft(rules);
  kind_.is_kernel() ? start_kernel() : start_ginnel(pool);
}

void Gateway::start_kernel() {
  host_.sysctl("net/ipv4/ip_forward", "1");
  if (kind_.ipv6 != Ipv6::off) host_.sysctl("net/ipv6/conf/all/forwarding", "1");
}

void Gateway::start_ginnel(const std::vector<std::string>& pool) {
  Words command{binary_,       "nat",      "--inside",   "lan",       "--outside", "wan",   "--public",
                host_.address, "--preset", kind_.preset, "--control", control_,    "--json"};
  std::filesystem::create_directories(std::filesystem::path(control_).parent_path());
  for (const auto& address : pool) {
    command.push_back("--public");
    command.push_back(address);
  }
  for (const auto& [knob, value] : kind_.knobs) {
    command.push_back("--set");
    command.push_back(knob + "=" + value);
  }
  const std::string log = scratch() + "/" + host_.name() + ".log";
  process_ = host_.start(Command{.argv = command, .err = Stream::to_file(log)});
  const Time deadline = in(10s);
  while (auto line = process_.read_line(deadline)) {
    if (Event{now(), *line}.is("ready")) return;
  }
  const std::string said = text_of(log);
  throw LabError("the NAT " + kind_.text + " of " + host_.name() + " did not start" +
                     (said.empty() ? "" : ": " + said.substr(0, said.find_last_not_of('\n') + 1)),
                 process_.wait(in(1s)) == static_cast<int>(Errc::usage) ? Errc::usage : Errc::internal);
}

void Gateway::forget_all() {
  if (!kind_.is_kernel()) return control("reboot");
  if (kind_.mapping == NatKind::Mapping::cone) {
    host_.nft("flush map ip lab out");
    if (kind_.filtering != NatKind::Filtering::endpoint) host_.nft("flush map ip lab in");
  }
  flush_conntrack(host_);
}

void Gateway::move_to(const std::string& new_address) {
  if (kind_.is_kernel()) return forget_all();
  control("address " + new_address);
}

void Gateway::block_udp(bool blocked) {
  // Adding first makes taking away work whether it was there or not.
  host_.nft(std::string("add element inet lab blocked { udp }") +
            (blocked ? "" : "\ndelete element inet lab blocked { udp }"));
}

void Gateway::control(const std::string& words_of_command) {
  host_.run(binary_ + " nat " + words_of_command + " --control " + control_);
}

}  // namespace ginnel::lab
