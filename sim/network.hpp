// What a host asks of the world around it: datagrams, TCP connections to the server, and the server's address in place
// of a resolver. Knows sites by number; whatever the world does with a request comes back to the host as an input, and
// never from inside the call.
#pragma once
#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/input.hpp"

namespace ginnel::sim {

using SiteId = int;

class Network {
 public:
  virtual ~Network() = default;
  virtual void send_datagram(SiteId from, const Address& to, Bytes datagram) = 0;
  virtual void connect_tcp(SiteId from, TcpId id, const Address& to) = 0;
  /// False: the connection wants no more for now (TcpFull), TcpWritable will tell.
  virtual bool send_tcp(SiteId from, TcpId id, Bytes bytes) = 0;
  virtual void close_tcp(SiteId from, TcpId id) = 0;
  virtual Address resolve() const = 0;
};

}  // namespace ginnel::sim
