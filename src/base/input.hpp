// What hands tell machines. Every machine that has a network takes the same inputs, so that one driver and one
// simulator serve them all.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace ginnel {

/// Names one TCP connection between a machine and its hands. Whoever begins it chooses the number: machines count
/// from 1 up (ConnectTcp), hands from 2^31 up (TcpAccepted).
using TcpId = uint32_t;

/// Names one UDP socket between a machine and its hands. 0 is the main socket of the family that is meant; hands may
/// open others before the start (a server's second port), machines ask for more with OpenUdp.
using SocketId = uint32_t;

/// A batch from one sender, as UDP GRO gives it: every datagram `segment` bytes, the last may be shorter. The machine
/// may change the bytes and send them on (Transmit may point into them) until its next input.
struct Datagrams {
  Address from;
  MutableBytes bytes;
  size_t segment = 0;
  SocketId socket = 0;  ///< where it came in
};

/// Answer to OpenUdp; port 0: no socket was to be had.
struct UdpOpened { SocketId id; Address local; };
/// Answer to ListenTcp; port 0: that port is taken.
struct TcpListening { Address local; };
struct TcpAccepted { TcpId id; Address from; Address local = {}; };
struct TcpConnected { TcpId id; Address local; };
/// Bytes of a TCP connection. The machine sets `consumed`; the hands keep the rest and give it again with more behind it.
struct TcpReceived { TcpId id; MutableBytes bytes; size_t consumed = 0; };
/// A Transmit filled the connection's queue: nothing more until there is room again.
struct TcpFull { TcpId id; };
struct TcpWritable { TcpId id; };
struct TcpClosed { TcpId id; std::string why; };

/// Answer to Resolve; empty when the name has no address now.
struct Resolved { std::vector<Address> addresses; };

/// The addresses of this host's interfaces (port 0), at the start and after each change.
struct Interfaces { std::vector<Address> addresses; };

using Input = std::variant<Datagrams, UdpOpened, TcpListening, TcpAccepted, TcpConnected, TcpReceived, TcpFull,
                           TcpWritable, TcpClosed, Resolved, Interfaces>;

}  // namespace ginnel
