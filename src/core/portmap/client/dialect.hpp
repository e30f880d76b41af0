// The two protocols of port 5351 as one client speaks them: the same three sentences, said differently. Knows messages
// and results; refuses to know when to send (datagram_mapper). RFC 6887 and RFC 6886, with the sections at each line.
#pragma once
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "core/portmap/client/wanted.hpp"
#include "wire/pcp.hpp"

namespace ginnel::portmap {

struct Ask {
  Wanted wanted;
  wire::PcpNonce nonce{};
  Address external;     ///< suggested
  Duration lifetime{};  ///< 0: delete
};

/// What a datagram of the gateway's means.
struct Reply {
  enum class Kind : uint8_t {
    none,      ///< nothing, or not for us
    alive,     ///< it speaks this protocol, and has this epoch
    mapping,   ///< likewise, and about `wanted`: granted if ok
    no_server  ///< it does not speak this protocol, or not with us
  } kind = Kind::none;
  bool ok = false;
  uint32_t epoch = 0;
  Wanted wanted;
  wire::PcpNonce nonce{};
  Address external;  ///< of a mapping; NAT-PMP tells its address with alive (port 0), and only the port with mapping
  Duration lifetime{};
  std::string why;   ///< not ok, no_server
  Duration retry{};  ///< not ok: not before that
};

class Dialect {
 public:
  virtual ~Dialect() = default;
  virtual Bytes probe(const Network& network, MutableBytes room) const = 0;
  virtual Bytes ask(const Network& network, const Ask& ask, MutableBytes room) const = 0;
  virtual Reply read(Bytes datagram) const = 0;
  /// Does this epoch, so long after that one, say that the gateway forgot everything?
  virtual bool forgot(uint32_t before, uint32_t now, Duration passed) const = 0;
  /// Must the address be asked for beside the mappings?
  virtual bool address_apart() const = 0;
};

class PcpDialect : public Dialect {
 public:
  Bytes probe(const Network& network, MutableBytes room) const override;
  Bytes ask(const Network& network, const Ask& ask, MutableBytes room) const override;
  Reply read(Bytes datagram) const override;
  bool forgot(uint32_t before, uint32_t now, Duration passed) const override;
  bool address_apart() const override { return false; }
};

class NatPmpDialect : public Dialect {
 public:
  Bytes probe(const Network& network, MutableBytes room) const override;
  Bytes ask(const Network& network, const Ask& ask, MutableBytes room) const override;
  Reply read(Bytes datagram) const override;
  bool forgot(uint32_t before, uint32_t now, Duration passed) const override;
  bool address_apart() const override { return true; }
};

}  // namespace ginnel::portmap
