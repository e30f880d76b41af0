// What the machines of port mapping ask of hands and are told by them: datagrams on a few named sockets, and whole HTTP
// exchanges. Plain data in the manner of base/action.hpp and base/input.hpp; a small set of its own, because nobody
// else has multicast or HTTP.
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/instant.hpp"

namespace ginnel::portmap {

enum class Socket : uint8_t {
  own,            ///< of a client: any port; it asks and searches from here
  announcements,  ///< of a client: port 5350, where gateways announce that they forgot (RFC 6887 section 14.1.1)
  requests,       ///< of a gateway: port 5351 of its inside address
  ssdp,           ///< of a gateway: port 1900, in the group 239.255.255.250
};

/// Send this from that socket; multicast goes out of the interface that the socket is for. `bytes` lies in the room
/// given to poll_action: send or copy it before the machine is touched again.
struct SendDatagram {
  Socket from;
  Address to;
  Bytes bytes;
};

struct Datagram {
  Socket at;
  Address from;
  Bytes bytes;
};

// ---- HTTP, a client's side

using HttpId = uint32_t;

/// Ask, and answer with HttpAnswer or HttpFailed once, within `limit`. A new connection each time, closed afterwards;
/// no redirect is followed; a body longer than body_max is a failure.
struct HttpAsk {
  HttpId id = 0;
  Address to;
  std::string method;  ///< GET or POST
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;  ///< besides Host, Connection and Content-Length
  std::string body;
  size_t body_max = 0;
  Duration limit{};
};
/// The answer is not wanted any more.
struct HttpForget {
  HttpId id;
};

struct HttpAnswer {
  HttpId id;
  unsigned status;
  std::string body;
};
struct HttpFailed {
  HttpId id;
  std::string why;
};

// ---- HTTP, a gateway's side

/// One whole request. Headers that are not there are empty.
struct HttpRequest {
  Address from;
  std::string method, path;
  std::string host, soap_action;
  std::string body;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type;
  std::string body;
};

}  // namespace ginnel::portmap
