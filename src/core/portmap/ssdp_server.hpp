// How a UPnP gateway is found: it answers searches, says that it is there, and that it goes. Knows the list of what it
// is and when to speak; refuses to know sockets. UPnP Device Architecture 1.1 sections 1.2 and 1.3.
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "core/portmap/igd_documents.hpp"
#include "wire/ssdp.hpp"

namespace ginnel::portmap {

class SsdpServer {
 public:
  static constexpr Duration max_age = 1800s;         // section 1.2.2: what is recommended at least
  static constexpr Duration alive_interval = 800s;   // section 1.2.1: less than half of it
  static constexpr Duration answer_within_max = 2s;  ///< of the up to 5 s that a search may allow
  /// Answers that wait; searches beyond them are not answered, so that a forged source costs its owner little.
  static constexpr size_t waiting_max = 64;

  SsdpServer(const IgdIdentity& identity, Rng& rng);

  /// Says that the gateway is there, now and from time to time.
  void start(Instant now);
  /// Says that it goes; nothing more after that.
  void stop(Instant now);
  /// The caller has seen to it that `from` is inside.
  void handle(Instant now, const Address& from, const wire::SsdpMessage& message);
  void handle_timeout(Instant now);

  struct Out {
    Address to;
    std::string text;
  };
  std::optional<Out> poll(Instant now);
  std::optional<Deadline> next_deadline() const;

 private:
  /// One thing that can be searched for: section 1.2.2, table 1-1.
  struct Target {
    std::string name, usn, location;
  };
  struct Waiting {
    Instant when;
    Address to;
    size_t target;
  };

  void add_targets(const IgdIdentity& identity, int version);
  void notify(wire::SsdpKind kind);

  Rng& rng_;
  std::string server_line_;
  std::vector<Target> targets_;
  std::vector<Waiting> waiting_;
  std::deque<Out> ready_;
  std::optional<Instant> next_alive_;
};

}  // namespace ginnel::portmap
