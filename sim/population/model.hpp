// The population that peers are drawn from, as model.toml has it: classes of networks with their shares, variants that
// change the shares, and how far everybody is from everybody. Knows how to read it and to say what is wrong with it;
// refuses to know how a network is built (site_of.hpp).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/nat/behaviour.hpp"

namespace ginnel::sim::population {

enum class Mapping : uint8_t { none, independent, dependent };  // RFC 4787 section 4.1
enum class TcpManner : uint8_t { open, silent, reset, symmetric };

/// One kind of network. Probabilities are between 0 and 1.
struct Class {
  std::string name;
  double share = 0;
  Mapping mapping{};
  nat::Depends filtering{};  ///< means nothing without a NAT
  nat::PortChoice ports = nat::PortChoice::preserve_then_random;
  TcpManner tcp{};
  bool udp = true;
  bool web_only = false;  ///< TCP to remote ports 80 and 443 only
  double port_mapping = 0, ipv6 = 0, hairpin = 0, stranger_state = 0;
  bool carrier = false;  ///< behind one more NAT
  bool mobile = false;
  double cross_traffic = 0;             ///< mappings a second in the outer NAT, mean
  std::vector<std::string> measured;  ///< which of these were; the others are assumptions
  std::string source;

  bool natted() const { return mapping != Mapping::none; }
  /// As the pairs are counted: open, EIM, EDM-sequential, EDM-random, no-UDP.
  std::string_view kind() const;
};

struct Variant {
  std::string name;
  double symmetric = 1;     ///< times the shares of endpoint-dependent classes
  double port_mapping = 1;  ///< times their probability
};

struct Range {
  double low = 0, high = 0;
};

/// Milliseconds and probabilities.
struct Network {
  double square = 0;
  Range fixed_line, mobile_line;
  double fixed_jitter = 0, mobile_jitter = 0;
  Range fixed_loss, mobile_loss;
  double broken_ipv6 = 0, answers_443 = 0;
};

struct Model {
  std::vector<Class> classes;
  std::vector<Variant> variants;
  Network network;

  const Variant* variant(std::string_view name) const;
  /// The shares as they are in a variant; together 1.
  std::vector<double> shares(const Variant& variant) const;
};

/// An error is a sentence with the place: "model.toml:12: ...".
Result<Model> read_model(const std::string& text, const std::string& name);
Result<Model> load_model(const std::string& path);

}  // namespace ginnel::sim::population
