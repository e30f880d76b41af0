#include <cstdio>

#include "app/driver.hpp"
#include "app/portmap_hands.hpp"
#include "app/roles.hpp"
#include "app/stop.hpp"
#include "core/reach/predict.hpp"
#include "core/stun/discovery.hpp"
#include "drive/entropy.hpp"
#include "drive/interfaces.hpp"
#include "wire/server_url.hpp"

namespace ginnel::app {

namespace {

constexpr Duration gateway_patience = 3s;  // after the server has told everything

using reach::Kind;
using stun::Dependence;

std::string_view words(Dependence d) {
  switch (d) {
    case Dependence::independent: return "endpoint-independent";
    case Dependence::address: return "address-dependent";
    case Dependence::address_and_port: return "address- and port-dependent";
    case Dependence::dependent: return "endpoint-dependent";
    case Dependence::unknown: break;
  }
  return "unknown";
}

std::string_view words(stun::PortUse use) {
  switch (use) {
    case stun::PortUse::preserved: return "preserved";
    case stun::PortUse::sequential: return "sequential";
    case stun::PortUse::other: return "no pattern";
    case stun::PortUse::unknown: break;
  }
  return "unknown";
}

std::string milliseconds(Duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", to_ms(d));
  return text;
}
std::string seconds(Duration d) { return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count()) + " s"; }

Kind kind_of(const stun::Findings& f) {
  const stun::UdpFindings& udp = f.udp[0].mapped ? f.udp[0] : f.udp[1];
  if (!udp.mapped) return f.tcp.mapped ? Kind::udp_blocked : Kind::only_443;
  if (!udp.translated) return udp.filtering == Dependence::independent ? Kind::open : Kind::port_restricted;
  if (udp.mapping != Dependence::independent && udp.mapping != Dependence::unknown)
    return udp.ports == stun::PortUse::sequential ? Kind::symmetric_sequential : Kind::symmetric_random;
  if (udp.filtering == Dependence::independent) return Kind::full_cone;
  return udp.filtering == Dependence::address ? Kind::restricted : Kind::port_restricted;
}

class Check {
 public:
  Check(Loop& loop, stun::Discovery::Config config, Reporter report)
      : loop_(loop), report_(std::move(report)), config_(std::move(config)) {}

  std::optional<Error> run() {
    Entropy entropy;
    stun::Discovery machine(config_, entropy);
    bool found = false;
    Loop::Timer enough(loop_, [&] { loop_.stop(); });
    PortmapHands gateway(loop_, entropy, [&](const portmap::ClientEvent& event) {
      if (auto* c = std::get_if<portmap::Capabilities>(&event)) capabilities_ = *c;
      if (found && capabilities_) loop_.stop();
    });
    Driver<stun::Discovery> driver(loop_, machine, WhenBlocked::wait, [&] {
      if (!machine.poll_event()) return;
      found = true;
      capabilities_ || !gateway.network() ? loop_.stop() : enough.set(loop_.now() + gateway_patience);
    });
    Address any6;
    any6.v6 = true;
    bool v4 = !driver.open_udp(Address{}), v6 = !driver.open_udp(any6);
    machine.set_udp(v4, v6);
    driver.give(Interfaces{interface_addresses(true)});
    StopSignal stop(loop_, [&] { loop_.stop(); });
    gateway.look();
    machine.start(loop_.now());
    driver.pump();
    loop_.run();
    if (auto error = stop.outcome()) return error;
    return tell(machine.findings());
  }

 private:
  using Fields = std::vector<std::pair<std::string, Value>>;

  std::optional<Error> tell(const stun::Findings& f) {
    if (!f.udp[0].mapped && !f.udp[1].mapped && !f.tcp.mapped)
      return Error{Errc::unreachable, "No server answers at " + wire::host_port_to_string(config_.host, config_.port) +
                                          (f.problem.empty() ? "" : ": " + f.problem) + ". Check the address, and that its port is open."};
    text_ = "this network, as the server at " + wire::host_port_to_string(config_.host, config_.port) + " sees it\n";
    for (bool v6 : {false, true}) tell_udp(f.udp[v6], v6);
    tell_tcp(f.tcp);
    tell_gateway();
    Kind own = kind_of(f);
    line("so it is", std::string(reach::to_string(own)));
    fields_.emplace_back("kind", std::string(reach::to_string(own)));
    report_({Report::Kind::line, "check", fields_, text_});
    tell_predictions(own);
    return {};
  }

  void line(const std::string& what, const std::string& text) {
    text_ += "\n  " + what + std::string(what.size() < 12 ? 12 - what.size() : 1, ' ') + text;
  }

  void tell_udp(const stun::UdpFindings& f, bool v6) {
    std::string name = v6 ? "udp6_" : "udp4_", title = v6 ? "UDP, IPv6" : "UDP, IPv4";
    if (!f.asked) return line(title, "not asked: the server or this machine has no such address");
    fields_.emplace_back(name + "works", f.mapped.has_value());
    if (!f.mapped) return line(title, "no answer: it does not pass");
    line(title, "seen as " + f.mapped->to_string() + (f.rtt ? ", " + milliseconds(*f.rtt) + " away" : "") +
                    (f.translated ? "" : ", which is our own: no translation"));
    fields_.emplace_back(name + "mapped", f.mapped->to_string());
    fields_.emplace_back(name + "translated", f.translated);
    fields_.emplace_back(name + "mapping", std::string(words(f.mapping)));
    fields_.emplace_back(name + "filtering", std::string(words(f.filtering)));
    fields_.emplace_back(name + "ports", std::string(words(f.ports)));
    if (f.rtt) fields_.emplace_back(name + "rtt_ms", to_ms(*f.rtt));
    if (f.translated) line("  mapping", std::string(words(f.mapping)));
    line("  filtering", std::string(words(f.filtering)));
    if (f.translated)
      line("  ports", std::string(words(f.ports)) + (f.ports == stun::PortUse::sequential ? ", by " + std::to_string(f.port_step) : ""));
    if (f.hairpin) {
      line("  hairpin", *f.hairpin ? "yes" : "no");
      fields_.emplace_back(name + "hairpin", *f.hairpin);
    }
    if (f.lifetime_from || f.lifetime_below) {
      std::string from = f.lifetime_from ? "at least " + seconds(*f.lifetime_from) : "", below = f.lifetime_below ? "less than " + seconds(*f.lifetime_below) : "";
      line("  lifetime", from + (from.empty() || below.empty() ? "" : ", ") + below);
      if (f.lifetime_from) fields_.emplace_back(name + "lifetime_from_s", to_ms(*f.lifetime_from) / 1e3);
      if (f.lifetime_below) fields_.emplace_back(name + "lifetime_below_s", to_ms(*f.lifetime_below) / 1e3);
    }
  }

  void tell_tcp(const stun::TcpFindings& f) {
    fields_.emplace_back("tcp_works", f.mapped.has_value());
    if (!f.mapped) return line("TCP", "no answer");
    line("TCP", "seen as " + f.mapped->to_string() + (f.translated ? "" : ", which is our own"));
    fields_.emplace_back("tcp_mapped", f.mapped->to_string());
    fields_.emplace_back("tcp_mapping", std::string(words(f.mapping)));
    if (f.translated) line("  mapping", std::string(words(f.mapping)));
  }

  void tell_gateway() {
    std::string spoken;
    for (size_t i = 0; capabilities_ && i < capabilities_->methods.size(); ++i) {
      std::string name(portmap::to_string(static_cast<portmap::Method>(i)));
      const portmap::MethodState& m = capabilities_->methods[i];
      bool there = m.presence == portmap::Presence::present;
      fields_.emplace_back("gateway_" + name, there);
      if (there) spoken += (spoken.empty() ? "" : ", ") + name + (m.why.empty() ? "" : " (but " + m.why + ")");
    }
    line("gateway", spoken.empty() ? "maps no ports (PCP, NAT-PMP and UPnP were asked)" : "maps ports by " + spoken);
  }

  void tell_predictions(Kind own) {
    std::string text = "what will connect, by what the other side has\n";
    for (Kind other : reach::kinds) {
      std::string name(reach::to_string(other)), exposing(reach::predict(own, other)), dialling(reach::predict(other, own));
      report_({Report::Kind::line, "predict", {{"other", name}, {"exposing", exposing}, {"dialling", dialling}}, ""});
      text += "\n  " + name + std::string(24 - name.size(), ' ') + (exposing == dialling ? exposing : exposing + " (to expose), " + dialling + " (to connect)");
    }
    report_({Report::Kind::line, "", {}, text});
  }

  Loop& loop_;
  Reporter report_;
  stun::Discovery::Config config_;
  std::string text_;
  Fields fields_;
  std::optional<portmap::Capabilities> capabilities_;
};

}  // namespace

std::optional<Error> run_check(const CheckOptions& options, const Reporter& report) {
  if (options.server.empty())
    return Error{Errc::usage, "Which server? Give --server URL or set GINNEL_SERVER; `ginnel server` prints its URL when it starts."};
  auto server = wire::ServerUrl::parse(options.server);
  if (!server) return server.error();
  Loop loop;
  return Check(loop, {server->host, server->port, options.lifetime}, report).run();
}

}  // namespace ginnel::app
