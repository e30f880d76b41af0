#include "tests/differential/compare.hpp"

#include <algorithm>
#include <sstream>

namespace ginnel::test {
namespace {

bool has_ports(Bytes p) { return protocol_of(p) == 17 || protocol_of(p) == 6; }
bool is_query(Bytes p) {
  return protocol_of(p) == 1 && (icmp_type(p) == 0 || icmp_type(p) == 8 || icmp_type(p) == 13 || icmp_type(p) == 14);
}
bool is_error(Bytes p) { return protocol_of(p) == 1 && !is_query(p); }

Address ip_at(Bytes p, size_t at) { return Address::from_ip(p.subspan(at, 4), 0); }
bool is_ours(const Address& ip) { return ip.same_ip(gateway_outside); }

/// Our own ports may differ between the two; those of others may not.
std::string compare_ports(Bytes kernel, Bytes engine, Ports& ports) {
  if (is_query(kernel)) {
    uint16_t k = get16(kernel, header_size(kernel) + 4), e = get16(engine, header_size(engine) + 4);
    bool from_us = is_ours(ip_at(kernel, 12)), ours = from_us || is_ours(ip_at(kernel, 16));
    return ours ? (ports.match(1, ip_at(kernel, from_us ? 16 : 12), k, e) ? "" : "identifiers do not correspond")
                : (k == e ? "" : "identifiers differ");
  }
  if (!has_ports(kernel)) return "";
  for (size_t end : {0, 1}) {
    uint16_t k = get16(kernel, header_size(kernel) + 2 * end), e = get16(engine, header_size(engine) + 2 * end);
    bool ours = is_ours(ip_at(kernel, 12 + 4 * end));
    Address remote = end ? source_of(kernel) : destination_of(kernel);
    if (ours ? !ports.match(protocol_of(kernel), remote, k, e) : k != e)
      return end ? "destination ports differ" : "source ports differ";
  }
  return "";
}

/// Where a header of the transport stops being comparable as bytes: ports and checksums are compared by themselves.
std::string compare_transport(Bytes kernel, Bytes engine) {
  size_t at = header_size(kernel), size = std::min(kernel.size(), engine.size());
  auto equal = [&](size_t from, size_t to) {
    from = std::min(at + from, size), to = std::min(at + to, size);
    return std::equal(kernel.begin() + static_cast<long>(from), kernel.begin() + static_cast<long>(to),
                      engine.begin() + static_cast<long>(from));
  };
  bool same = true;
  switch (protocol_of(kernel)) {
    case 6:
      same = equal(4, 16) && equal(18, size);
      break;
    case 17:
      same = equal(4, 6) && equal(8, size);
      break;
    case 1:
      same = equal(0, 2) && (is_query(kernel) ? equal(6, size) : equal(4, 8));
      break;
    default:
      same = equal(0, size);
  }
  return same ? "" : "what stands behind the IP header differs";
}

std::string compare_packets(Bytes kernel, Bytes engine, Ports& ports, bool quoted) {
  if (protocol_of(kernel) != protocol_of(engine)) return "protocols differ";
  for (size_t at : {12, 16})
    if (ip_at(kernel, at) != ip_at(engine, at))
      return at == 12 ? "source addresses differ" : "destination addresses differ";
  if (kernel[1] != engine[1]) return "TOS differs";
  if (kernel[8] != engine[8]) return "TTLs differ";
  // A NAT's own packets have an identification and a DF bit of its own.
  bool own = is_ours(ip_at(kernel, 12)) || ip_at(kernel, 12).same_ip(gateway_inside);
  if (!own && !quoted && (get16(kernel, 4) != get16(engine, 4) || (kernel[6] & 0x40) != (engine[6] & 0x40)))
    return "identification or DF differs";
  if (auto wrong = compare_ports(kernel, engine, ports); !wrong.empty()) return wrong;
  if (auto wrong = compare_transport(kernel, engine); !wrong.empty()) return wrong;
  if (!is_error(kernel)) return "";
  Bytes k = quoted_of(kernel), e = quoted_of(engine);
  if (k.size() < 28 || e.size() < 28) return "an error quotes too little";
  auto wrong = compare_packets(k, e, ports, true);
  return wrong.empty() ? "" : "in the quoted packet " + wrong;
}

/// The order in which a NAT sends an answer and what it forwards is its own affair.
std::vector<Arrival> sorted(std::vector<Arrival> all) {
  std::stable_sort(all.begin(), all.end(), [](const Arrival& a, const Arrival& b) {
    return std::tuple(a.inside, protocol_of(a.bytes), get32(a.bytes, 16)) <
           std::tuple(b.inside, protocol_of(b.bytes), get32(b.bytes, 16));
  });
  return all;
}

std::string flags_text(uint8_t flags) {
  std::string out;
  for (auto [bit, letter] : {std::pair<uint8_t, char>{syn, 'S'}, {ack, 'A'}, {fin, 'F'}, {rst, 'R'}})
    if (flags & bit) out += letter;
  return out.empty() ? "-" : out;
}

}  // namespace

bool Ports::match(uint8_t protocol, const Address& remote, uint16_t kernel, uint16_t engine) {
  Address whose = of_remotes_ ? remote : Address{};
  auto [e, fresh_k] = engine_of_.emplace(Key(protocol, whose, kernel), engine);
  auto [k, fresh_e] = kernel_of_.emplace(Key(protocol, whose, engine), kernel);
  return e->second == engine && k->second == kernel && (protocol == 1 || (kernel < 1024) == (engine < 1024));
}

std::optional<std::string> compare(const std::vector<Arrival>& kernel, const std::vector<Arrival>& engine,
                                   Ports& ports) {
  for (const auto* all : {&kernel, &engine})
    for (const Arrival& each : *all)
      if (!checksums_right(each.bytes))
        return std::string(all == &kernel ? "the kernel" : "the engine") + " sent a wrong checksum";
  if (kernel.size() != engine.size()) return "one sent more than the other";
  auto k = sorted(kernel), e = sorted(engine);
  for (size_t i = 0; i < k.size(); ++i) {
    if (k[i].inside != e[i].inside) return "it came out on different sides";
    if (auto wrong = compare_packets(k[i].bytes, e[i].bytes, ports, false); !wrong.empty()) return wrong;
  }
  return {};
}

std::string describe(Bytes p) {
  std::ostringstream out;
  if (p.size() < 20) return "nothing";
  if (is_fragment(p)) out << "fragment at " << (get16(p, 6) & 0x1fff) * 8 << (p[6] & 0x20 ? "+ " : " ");
  if (get16(p, 6) & 0x1fff) {
    out << "of protocol " << int{protocol_of(p)} << " " << ip_at(p, 12).ip_to_string() << " > "
        << ip_at(p, 16).ip_to_string();
  } else if (has_ports(p)) {
    out << (protocol_of(p) == 6 ? "TCP " : "UDP ") << source_of(p).to_string() << " > "
        << destination_of(p).to_string();
    if (protocol_of(p) == 6 && p.size() >= header_size(p) + 14)
      out << " " << flags_text(tcp_flags(p)) << " seq " << get32(p, header_size(p) + 4) << " ack "
          << get32(p, header_size(p) + 8);
  } else if (is_query(p)) {
    out << "ICMP query " << int{icmp_type(p)} << " " << source_of(p).to_string() << " > "
        << ip_at(p, 16).ip_to_string();
  } else if (is_error(p)) {
    out << "ICMP " << int{icmp_type(p)} << "/" << int{icmp_code(p)} << " " << ip_at(p, 12).ip_to_string() << " > "
        << ip_at(p, 16).ip_to_string() << " [" << describe(quoted_of(p)) << "]";
  } else {
    out << "protocol " << int{protocol_of(p)} << " " << ip_at(p, 12).ip_to_string() << " > "
        << ip_at(p, 16).ip_to_string();
  }
  out << ", " << p.size() << " bytes, TTL " << int{p[8]} << (p[6] & 0x40 ? " DF" : "")
      << (checksums_right(p) ? "" : " (checksum)");
  return out.str();
}

std::string describe(const std::vector<Arrival>& all) {
  std::string out;
  for (const Arrival& each : all)
    out += std::string(each.inside ? "\n      inside:  " : "\n      outside: ") + describe(each.bytes);
  return out.empty() ? "\n      nothing" : out;
}

}  // namespace ginnel::test
