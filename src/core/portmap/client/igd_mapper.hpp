// Asks a gateway for mappings by UPnP: searches, reads its description, calls its service, one request at a time. Knows
// what real devices get wrong; believes nobody but the gateway, and refuses to follow it anywhere else. UPnP Device
// Architecture 1.1 sections 1.3, 2, 3; WANIPConnection:1 and :2.
#pragma once
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "core/portmap/client/wanted.hpp"
#include "core/portmap/io.hpp"
#include "wire/http_url.hpp"
#include "wire/igd.hpp"

namespace ginnel::portmap {

class IgdMapper {
 public:
  static constexpr int searches = 3;  // at 0, 0.5 and 1 s; each allows 1 s to answer
  static constexpr Duration search_interval = 500ms;
  static constexpr Duration search_limit = 2200ms;
  static constexpr Duration describe_limit = 5s;  ///< from the search's beginning, with all descriptions read
  static constexpr Duration http_limit = 3s;
  static constexpr size_t body_max = 64 * 1024;
  static constexpr size_t places_max = 4;             ///< descriptions that are looked at
  static constexpr int ports_tried = 4;               ///< outside ports, when they are taken
  static constexpr Duration permanent_check = 10min;  ///< a mapping without an end is made again so often

  explicit IgdMapper(Rng& rng) : rng_(rng) {}

  // ---- inputs; the caller has seen to it that a datagram came from the gateway
  void handle(Instant now, Bytes datagram);
  void handle(Instant now, const HttpAnswer& answer);
  void handle(Instant now, const HttpFailed& failed);
  void handle_timeout(Instant now);

  // ---- commands, as DatagramMapper
  void start(Instant now, const Network& network);
  void want(Instant now, std::span<const Wanted> wanted);
  void stop();

  // ---- polls
  std::optional<SendDatagram> poll_datagram(Instant now, MutableBytes room);
  std::optional<HttpAsk> poll_http(Instant now);
  /// A request whose answer is not wanted any more.
  std::optional<HttpForget> poll_forget();
  std::optional<MapperEvent> poll_event();
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  Presence presence() const { return presence_; }
  const std::string& why() const { return why_; }
  bool idle() const { return slots_.empty(); }
  const std::string& gateway_name() const { return name_; }

 private:
  enum class Step : uint8_t { describe, external, add, remove };
  enum class State : uint8_t { asking, granted, refused, releasing };
  struct Slot {
    Wanted wanted;
    State state = State::asking;
    std::optional<Address> told;  ///< by Granted
    bool added = false;           ///< the gateway has it, as far as we know
    uint16_t port = 0;            ///< outside: asked for, or given
    Instant granted_at{};
    Duration lifetime{};
    bool permanent = false;
    int ports = 0;  ///< tried in vain
    Instant next{};
  };
  struct Pending {
    HttpId id;
    Step step;
    Wanted wanted;
    Instant until;  ///< the hands should have answered by then
    std::string action = {};
  };

  void search(Instant now);
  void search_turn(Instant now);
  void end_search();
  void found(const wire::HttpUrl& location);
  void described(const wire::HttpUrl& location, std::string_view body);
  void absent(Instant now, const std::string& why);
  void answered(Instant now, const Pending& pending, unsigned status, const std::string& body);
  void failed(Instant now, const Pending& pending, const std::string& why);
  void external_answered(Instant now, const wire::SoapAnswer& answer);
  void add_answered(Instant now, const Pending& pending, const wire::SoapAnswer& answer);
  void add_refused(Instant now, Slot& slot, const wire::SoapAnswer& answer);
  void grant(Instant now, Slot& slot);
  void refuse(Instant now, Slot& slot, const std::string& why, Duration retry);
  HttpAsk get(Instant now, const wire::HttpUrl& at);
  HttpAsk call(Instant now, Step step, const Wanted& wanted, const std::string& action, wire::SoapArguments arguments);
  HttpAsk add(Instant now, const Slot& slot);
  Slot* slot_of(const Wanted& wanted);
  static std::string protocol_name(const Wanted& wanted);
  bool ours(const wire::HttpUrl& url) const { return url.host.same_ip(network_.gateway); }

  Rng& rng_;
  Network network_;
  Presence presence_ = Presence::absent;
  std::string why_;
  std::string name_;
  // searching
  int searches_sent_ = 0;
  std::optional<Instant> next_search_, search_ends_, describe_ends_;
  std::deque<std::pair<Address, std::string>> to_send_;
  std::vector<wire::HttpUrl> places_;
  size_t places_read_ = 0;
  std::string last_problem_;
  // calling
  std::string service_type_;
  wire::HttpUrl control_;
  bool any_port_ = false;        ///< the service has AddAnyPortMapping
  bool permanent_only_ = false;  ///< it takes no leases
  int failures_ = 0;             ///< calls without an answer, since the last with one
  Address address_;
  std::optional<Instant> address_asked_;
  std::vector<Slot> slots_;
  HttpId next_id_ = 1;
  std::optional<Pending> pending_;
  std::deque<HttpForget> forget_;
  std::deque<MapperEvent> events_;
};

}  // namespace ginnel::portmap
