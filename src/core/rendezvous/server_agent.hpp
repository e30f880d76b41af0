// What the server keeps of one agent. Internal to rendezvous/server.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/quic/session.hpp"
#include "core/rendezvous/server.hpp"
#include "core/rendezvous/server_link.hpp"

namespace ginnel::rendezvous {

struct Server::Agent {
  quic::Tag tag = 0;
  std::unique_ptr<quic::Session> session;
  Address address;
  SocketId socket = 0;           ///< of ours, on UDP
  TcpId tcp = 0;                 ///< 0: on UDP
  bool proven = false;           ///< its key is known and allowed
  bool dirty = false;            ///< in the list of those that may have packets to send
  uint64_t serial = 0;           ///< later sessions have greater ones
  PublicKey key;
  Instant heard;                 ///< QUIC, relay or STUN: anything from its address
  std::string first_id;          ///< the connection id of its first Initial
  std::optional<quic::StreamId> signals;
  std::string received;          ///< of a signal that is not whole yet
  std::vector<wire::ServiceId> services;
  std::unordered_map<wire::RouteNumber, Route> routes;
  wire::RouteNumber last_number = 0;   ///< most batches use one route
  const Route* last_route = nullptr;
  wire::RouteNumber next_route = 1;
};

inline quic::SessionConfig server_session_config(std::shared_ptr<ChunkPool> chunks) {
  quic::SessionConfig c;
  c.chunks = std::move(chunks);
  c.alpn = server_alpn;
  c.idle_timeout = 10min;
  c.handshake_timeout = 5s;
  c.streams_max = 1;
  c.stream_window = 16 * 1024;
  c.stream_window_max = 16 * 1024;
  c.buffered_max = 64 * 1024;
  return c;
}

}  // namespace ginnel::rendezvous
