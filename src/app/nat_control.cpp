#include "app/nat_control.hpp"

#include <boost/json.hpp>

#include "drive/stream_socket.hpp"

namespace ginnel::app {

namespace json = boost::json;

namespace {

constexpr int mappings_at_once = 500;  // so that packets do not wait long for a large table

json::array texts(const std::vector<Address>& addresses) {
  json::array out;
  for (const Address& ip : addresses) out.emplace_back(ip.ip_to_string());
  return out;
}

const char* name_of(nat::TcpState state) {
  static const char* const names[] = {"none",    "opened-out", "opened-in", "established",
                                      "fin-out", "fin-in",     "fin-both",  "reset"};
  return names[static_cast<size_t>(state)];
}

json::object counters_of(NatService& service) {
  const nat::Counters& c = service.gateway().counters();
  json::object drops;
  for (size_t i = 1; i < nat::drop_kinds; ++i)
    if (c.drops[i] > 0) drops[nat::to_string(static_cast<nat::Drop>(i))] = c.drops[i];
  return {{"inside_packets", c.inside_packets},
          {"inside_bytes", c.inside_bytes},
          {"outside_packets", c.outside_packets},
          {"outside_bytes", c.outside_bytes},
          {"forwarded_out", c.forwarded_out},
          {"forwarded_in", c.forwarded_in},
          {"hairpinned", c.hairpinned},
          {"mappings_made", c.mappings_made},
          {"mappings_ended", c.mappings_ended},
          {"generated", c.generated},
          {"generated_suppressed", c.generated_suppressed},
          {"large_packets", service.pump().counters().large},
          {"not_taken", service.pump().counters().not_taken},
          {"drops", std::move(drops)}};
}

json::object show(NatService& service) {
  json::array inside, forwards;
  for (const auto& name : service.place().inside) inside.emplace_back(name);
  for (const NatForward& forward : service.forwards()) forwards.emplace_back(forward.to_string());
  json::object captures;
  for (auto [side, name] : {std::pair(nat::Side::inside, "inside"), std::pair(nat::Side::outside, "outside")})
    if (const Capture* c = service.capture(side))
      captures[name] = json::object{{"file", c->path()}, {"packets", c->packets()}, {"missed", c->missed()}};
  return {{"ok", true},
          {"inside", std::move(inside)},
          {"outside", service.place().outside},
          {"public", texts(service.network().public_addresses())},
          {"preset", service.gateway().behaviour().name},
          {"uptime_s", (service.now() - service.started()) / 1s},
          {"mapping_count", service.gateway().mapping_count()},
          {"session_count", service.gateway().session_count()},
          {"memory", service.gateway().memory()},
          {"forwards", std::move(forwards)},
          {"captures", std::move(captures)},
          {"counters", counters_of(service)}};
}

json::object mapping_of(const nat::MappingInfo& info, Instant now) {
  json::object out{{"protocol", protocol_name(info.protocol)},
                   {"inside", info.inside.to_string()},
                   {"outside", info.outside.to_string()},
                   {"sessions", info.sessions}};
  if (!info.remote.is_unspecified()) out["remote"] = info.remote.to_string();
  if (info.is_static) out["static"] = true;
  if (info.sessions > 0) out["expires_s"] = std::max<int64_t>(0, (info.expires - now) / 1s);
  if (info.tcp != nat::TcpState::none) out["tcp"] = name_of(info.tcp);
  return out;
}

json::object mappings(NatService& service, const json::object& request) {
  auto* from = request.if_contains("cursor");
  bool usable = from && from->is_int64() && from->get_int64() >= 0 && from->get_int64() <= UINT32_MAX;
  uint32_t cursor = usable ? static_cast<uint32_t>(from->get_int64()) : 0;
  Instant now = service.now();
  json::array list;
  std::optional<nat::MappingInfo> info;
  while (list.size() < mappings_at_once && (info = service.gateway().next_mapping(now, cursor)))
    list.push_back(mapping_of(*info, now));
  json::value next = info ? json::value(cursor) : json::value(nullptr);
  return {{"ok", true}, {"mappings", std::move(list)}, {"cursor", std::move(next)}};
}

json::object outcome(const std::optional<Error>& error) {
  if (!error) return {{"ok", true}};
  return {{"ok", false}, {"error", error->text}, {"code", static_cast<int>(error->code)}};
}

/// Empty if there is no such text.
std::string text_of(const json::object& request, std::string_view key) {
  auto* value = request.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::optional<Error> set_addresses(NatService& service, const json::object& request) {
  std::vector<Address> addresses;
  auto* list = request.if_contains("addresses");
  if (!list || !list->is_array()) return Error{Errc::usage, "The command address wants a list of addresses."};
  for (const json::value& one : list->get_array()) {
    auto address = parse_public_address(one.is_string() ? std::string(one.get_string()) : std::string());
    if (!address) return address.error();
    addresses.push_back(*address);
  }
  return service.set_public_addresses(addresses);
}

std::optional<Error> forward(NatService& service, const json::object& request) {
  if (request.contains("remove")) {
    std::string text = text_of(request, "remove");
    auto parsed = parse_forwarded_port(text.substr(0, text.find('=')));
    return parsed ? service.remove_forward(*parsed) : std::optional(parsed.error());
  }
  auto parsed = parse_forward(text_of(request, "add"));
  return parsed ? service.add_forward(*parsed) : std::optional(parsed.error());
}

std::optional<Error> capture(NatService& service, const json::object& request) {
  std::string side = text_of(request, "side");
  if (side != "inside" && side != "outside")
    return Error{Errc::usage, "A capture is of the side inside or outside, not \"" + side + "\"."};
  return service.capture(side == "inside" ? nat::Side::inside : nat::Side::outside, text_of(request, "file"));
}

json::object answer(NatService& service, const json::object& request) {
  std::string command = text_of(request, "command");
  if (command == "show") return show(service);
  if (command == "mappings") return mappings(service, request);
  if (command == "reboot") return service.reboot(), outcome({});
  if (command == "address") return outcome(set_addresses(service, request));
  if (command == "set") return outcome(service.set(text_of(request, "knob")));
  if (command == "forward") return outcome(forward(service, request));
  if (command == "capture") return outcome(capture(service, request));
  return outcome(Error{Errc::usage, "There is no command \"" + command + "\"."});
}

}  // namespace

std::string answer_control(NatService& service, std::string_view line) {
  boost::system::error_code failed;
  json::value request = json::parse(json::string_view(line.data(), line.size()), failed);
  if (failed || !request.is_object())
    return json::serialize(outcome(Error{Errc::usage, "A request is one JSON object on a line."}));
  return json::serialize(answer(service, request.get_object()));
}

NatControl::NatControl(Loop& loop, StreamListener listener, NatService& service)
    : loop_(loop),
      listener_(std::move(listener)),
      service_(service),
      watch_(loop, listener_.fd(), [this] { accept(); }) {
  watch_.want_read(true);
}

void NatControl::accept() {
  while (auto fd = listener_.accept()) {
    if (clients_.size() >= clients_max) continue;  // closed at once
    auto client = clients_.emplace(clients_.end());
    client->fd = std::move(*fd);
    client->watch = Loop::Watch(
        loop_, client->fd.get(), [this, client] { read(client); }, [this, client] { write(client); });
    client->watch.want_read(true);
  }
}

void NatControl::read(std::list<Client>::iterator client) {
  uint8_t room[4096];
  auto got = stream_socket::read(client->fd.get(), room);
  if (got.blocked) return;
  if (got.n == 0 || client->in.size() + got.n > line_max) return end(client);
  client->in.append(as_text(Bytes(room, got.n)));
  write(client);
}

/// Sends the answer under way; answers the next request when there is none. Who does not read is not read from.
void NatControl::write(std::list<Client>::iterator client) {
  for (;;) {
    if (client->out.empty()) {
      size_t end_of_line = client->in.find('\n');
      if (end_of_line == std::string::npos) break;
      client->out = answer_control(service_, std::string_view(client->in).substr(0, end_of_line)) + "\n";
      client->in.erase(0, end_of_line + 1);
    }
    auto sent = stream_socket::write(client->fd.get(), as_bytes(client->out));
    if (sent.blocked) break;
    if (sent.n == 0) return end(client);
    client->out.erase(0, sent.n);
  }
  client->watch.want_write(!client->out.empty());
  client->watch.want_read(client->out.empty());
}

void NatControl::end(std::list<Client>::iterator client) {
  client->watch.reset();
  loop_.post([this, client] { clients_.erase(client); });  // we run in its callback
}

}  // namespace ginnel::app
