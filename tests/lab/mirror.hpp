// A UDP mirror: answers each datagram with the port that it came from, as text, from the socket that was asked, from
// another port of it, or from the host's other address. Enough to see what a NAT maps and what it filters; a STUN
// server in a page.
#pragma once
#include <iosfwd>
#include <string>
#include <vector>

#include "lab/host.hpp"

namespace ginnel::lab {

/// What is asked for.
enum class From : char { here = '?', other_port = 'p', other_address = 'a' };

struct Question {
  std::string address;
  uint16_t port = 7001;
  From from = From::here;
};

struct Seen {
  std::string port;  ///< the asker's, as the mirror saw it; "-" if no answer came
  double rtt_ms = 0;
};

/// On `address` (IPv4 or IPv6), port 7001 and one more; `other` is another address of the same host.
Process start_mirror(const Host& host, const std::string& address, const std::string& other = "", uint16_t port = 7001);
/// One after the other, all from one socket on port 40000.
std::vector<Seen> ask(const Host& host, const std::vector<Question>& questions);
/// The same in two steps, for several hosts at once: what does not come costs half a second.
Process start_asking(const Host& host, const std::vector<Question>& questions);
std::vector<Seen> answers(Process& asker);
/// One question; the port, or "-".
std::string ask(const Host& host, const Question& question);

// ---- the parts, for tests with programs of their own
int udp_socket(const std::string& address, uint16_t port);
bool send_to(int fd, const std::string& bytes, const std::string& address, uint16_t port);

/// A datagram from `port` that wants no answer.
void knock(const Host& host, uint16_t from_port, const std::string& address, uint16_t port);

/// What a TCP connection meets.
enum class Door { open, refused, silent };
Door knock_tcp(const Host& host, const std::string& address, uint16_t port);
std::ostream& operator<<(std::ostream& out, Door door);
/// Accepts connections and says nothing.
Process start_listener(const Host& host, const std::string& address, uint16_t port);

}  // namespace ginnel::lab
