// HTTP requests of control points to documents and leases. Knows the actions and their errors; refuses whoever asks for
// somebody else, in a foreign name (DNS rebinding), or without naming the same action in header and body. UPnP Device
// Architecture 1.1 sections 3.2.2 and 3.2.5 (errors), WANIPConnection:1 and :2 (actions, each named at its place).
#include "core/portmap/igd_server.hpp"

#include <algorithm>
#include <charconv>

#include "core/portmap/whole_seconds.hpp"
#include "wire/ip.hpp"
#include "wire/url_text.hpp"
#include "wire/xml.hpp"

namespace ginnel::portmap {

namespace {

enum Error : uint16_t {
  invalid_action = 401,
  invalid_args = 402,
  action_failed = 501,
  not_authorized = 606,
  index_invalid = 713,
  no_such_entry = 714,
  no_wildcard_external = 716,
  conflict = 718,
  remote_host_only_wildcard = 726,
  no_port_maps = 728,
  conflict_elsewhere = 729,
  mapping_not_found = 730,
  no_wildcard_internal = 732,
  inconsistent = 733,
};

std::string_view text_of(uint16_t error) {
  switch (error) {
    case invalid_action:
      return "Invalid Action";
    case invalid_args:
      return "Invalid Args";
    case not_authorized:
      return "Action not authorized";
    case index_invalid:
      return "SpecifiedArrayIndexInvalid";
    case no_such_entry:
      return "NoSuchEntryInArray";
    case no_wildcard_external:
      return "WildCardNotPermittedInExtPort";
    case conflict:
      return "ConflictInMappingEntry";
    case remote_host_only_wildcard:
      return "RemoteHostOnlySupportsWildcard";
    case no_port_maps:
      return "NoPortMapsAvailable";
    case conflict_elsewhere:
      return "ConflictWithOtherMechanisms";
    case mapping_not_found:
      return "PortMappingNotFound";
    case no_wildcard_internal:
      return "WildCardNotPermittedInIntPort";
    case inconsistent:
      return "InconsistentParameters";
    default:
      return "Action Failed";
  }
}

/// Nothing but digits.
template <typename T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

std::optional<uint8_t> protocol_of(std::string_view text) {
  if (wire::lower_case(text) == "tcp") return wire::ip_protocol_tcp;
  if (wire::lower_case(text) == "udp") return wire::ip_protocol_udp;
  return {};
}
std::string name_of(uint8_t protocol) { return protocol == wire::ip_protocol_tcp ? "TCP" : "UDP"; }

std::optional<bool> boolean(std::string_view text) {
  std::string lower = wire::lower_case(text);
  if (lower == "1" || lower == "true" || lower == "yes") return true;
  if (lower == "0" || lower == "false" || lower == "no") return false;
  return {};
}

std::string printable(std::string_view text, size_t max) {
  std::string out(text.substr(0, max));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

std::string low_32(uint64_t n) { return std::to_string(static_cast<uint32_t>(n)); }

HttpResponse plain(unsigned status) { return {status, "text/plain", ""}; }
HttpResponse xml(std::string body) { return {200, "text/xml; charset=\"utf-8\"", std::move(body)}; }
HttpResponse fault(uint16_t error) {
  return {500, "text/xml; charset=\"utf-8\"", wire::soap_fault(error, text_of(error))};
}

wire::SoapArguments rest_of(const Lease& lease, Instant now) {
  std::string description = lease.method == Method::upnp ? lease.description : std::string(to_string(lease.method));
  return {{"NewInternalPort", std::to_string(lease.forward.inside.port)},
          {"NewInternalClient", lease.forward.inside.ip_to_string()},
          {"NewEnabled", "1"},
          {"NewPortMappingDescription", description},
          {"NewLeaseDuration", std::to_string(std::max(1u, whole_seconds(lease.expires - now)))}};
}

wire::SoapArguments key_of(const Lease& lease) {
  return {{"NewRemoteHost", ""},
          {"NewExternalPort", std::to_string(lease.forward.outside.port)},
          {"NewProtocol", name_of(lease.forward.protocol)}};
}

/// WANIPConnection:2, A_ARG_TYPE_PortListing.
std::string listing_entry(const Lease& lease, Instant now) {
  wire::SoapArguments all = key_of(lease), rest = rest_of(lease, now);
  all.insert(all.end(), rest.begin(), rest.end());
  std::string out = "<p:PortMappingEntry>";
  for (auto& [name, value] : all) {
    if (name == "NewPortMappingDescription") name = "NewDescription";
    if (name == "NewLeaseDuration") name = "NewLeaseTime";
    out += "<p:" + name + ">" + wire::xml_escaped(value) + "</p:" + name + ">";
  }
  return out + "</p:PortMappingEntry>";
}

}  // namespace

/// The arguments of AddPortMapping and AddAnyPortMapping, read.
struct IgdServer::Mapping {
  uint8_t protocol = 0;
  uint16_t external_port = 0, internal_port = 0;
  Address client;
  Duration lifetime{};
  std::string description;
  uint16_t error = 0;  ///< they are wrong

  explicit Mapping(const Call& call) {
    auto p = protocol_of(call["NewProtocol"]);
    auto external = number<uint16_t>(call["NewExternalPort"]), internal = number<uint16_t>(call["NewInternalPort"]);
    auto host = Address::parse(std::string(call["NewInternalClient"]) + ":0");
    auto enabled = boolean(call["NewEnabled"]);
    auto lease = number<uint32_t>(call["NewLeaseDuration"]);
    error = invalid_args;
    if (!p || !external || !internal || !host || !enabled || !lease) return;
    error = !call["NewRemoteHost"].empty() ? remote_host_only_wildcard
            : *internal == 0               ? (call.version >= 2 ? no_wildcard_internal : invalid_args)
            : !*enabled                    ? action_failed  // a mapping that maps nothing is not kept
                                           : 0;
    protocol = *p;
    external_port = *external;
    internal_port = *internal;
    client = *host;
    Duration asked = std::chrono::seconds(*lease);
    lifetime = asked == 0s ? lifetime_max : std::min(asked, lifetime_max);
    description = printable(call["NewPortMappingDescription"], description_max);
  }
};

IgdServer::IgdServer(MappingBook& book, IgdIdentity identity, Instant now)
    : book_(book), identity_(std::move(identity)), started_(now) {}

HttpResponse IgdServer::handle(Instant now, const HttpRequest& request) {
  if (!book_.is_inside(request.from)) return plain(403);
  // A page from outside can make a browser inside ask us, but not in our name.
  bool default_port = identity_.http.port == 80 && request.host == identity_.http.ip_to_string();
  if (request.host != identity_.http.to_string() && !default_port) return plain(403);
  if (request.method == "GET") {
    for (int version : igd_versions)
      if (request.path == igd_description_path(version)) return xml(igd_device_document(identity_, version));
    auto document = igd_service_document_at(request.path);
    return document ? xml(igd_service_document(document->kind, document->version)) : plain(404);
  }
  if (request.method == "POST") {
    auto endpoint = igd_control_at(request.path);
    return endpoint ? control(now, request, *endpoint) : plain(404);
  }
  // Eventing: nobody's URL is ever called back (section 4.1.2: 503, "unable to accept").
  if (request.method == "SUBSCRIBE" || request.method == "UNSUBSCRIBE") return plain(503);
  return plain(405);
}

HttpResponse IgdServer::control(Instant now, const HttpRequest& request, const IgdEndpoint& endpoint) {
  auto named = wire::parse_soap_action(request.soap_action);
  auto call = wire::parse_soap_call(as_bytes(request.body));
  if (!named || !call || named->second != call->action) return plain(400);
  // A control point that knows :1 only may use it of a :2, with the actions of :1.
  int version = 0;
  for (int v = 1; v <= endpoint.version; ++v)
    if (named->first == igd_service_type(endpoint.kind, v)) version = v;
  const auto& actions = igd_actions(endpoint.kind);
  auto action = std::find_if(actions.begin(), actions.end(), [&](auto& a) { return a.name == call->action; });
  if (version == 0 || action == actions.end() || action->since > version) return fault(invalid_action);
  for (const auto& argument : action->in)
    if (!wire::soap_value(call->arguments, argument.name)) return fault(invalid_args);  // missing, or there twice
  Answer answer = perform({now, request.from, version, call->arguments}, endpoint.kind, call->action);
  if (answer.error) return fault(answer.error);
  return xml(wire::soap_answer(named->first, call->action, answer.values));
}

IgdServer::Answer IgdServer::perform(const Call& call, IgdKind kind, std::string_view action) {
  if (kind == IgdKind::common) return common(action);
  if (kind == IgdKind::layer3) {
    if (action == "SetDefaultConnectionService") return not_authorized;
    return wire::SoapArguments{
        {"NewDefaultConnectionService", igd_uuid(identity_, IgdDevice::connection, call.version) + ":" +
                                            igd_device_type(IgdDevice::connection, call.version) +
                                            ",urn:upnp-org:serviceId:WANIPConn1"}};
  }
  if (action == "AddPortMapping") return add(call, false);
  if (action == "AddAnyPortMapping") return add(call, true);
  if (action == "DeletePortMapping") return remove(call);
  if (action == "DeletePortMappingRange") return remove_range(call);
  if (action == "GetGenericPortMappingEntry") return generic(call);
  if (action == "GetSpecificPortMappingEntry") return specific(call);
  if (action == "GetListOfPortMappings") return list(call);
  return status(call, action);
}

IgdServer::Answer IgdServer::common(std::string_view action) const {
  if (action == "GetTotalBytesSent") return wire::SoapArguments{{"NewTotalBytesSent", low_32(traffic_.bytes_sent)}};
  if (action == "GetTotalBytesReceived")
    return wire::SoapArguments{{"NewTotalBytesReceived", low_32(traffic_.bytes_received)}};
  if (action == "GetTotalPacketsSent")
    return wire::SoapArguments{{"NewTotalPacketsSent", low_32(traffic_.packets_sent)}};
  if (action == "GetTotalPacketsReceived")
    return wire::SoapArguments{{"NewTotalPacketsReceived", low_32(traffic_.packets_received)}};
  return wire::SoapArguments{{"NewWANAccessType", "Ethernet"},
                             {"NewLayer1UpstreamMaxBitRate", "1000000000"},
                             {"NewLayer1DownstreamMaxBitRate", "1000000000"},
                             {"NewPhysicalLinkStatus", "Up"}};
}

IgdServer::Answer IgdServer::status(const Call& call, std::string_view action) const {
  bool connected = !book_.external().is_unspecified();
  if (action == "GetExternalIPAddress") {
    if (!connected) return action_failed;
    return wire::SoapArguments{{"NewExternalIPAddress", book_.external().ip_to_string()}};
  }
  if (action == "GetStatusInfo")
    return wire::SoapArguments{{"NewConnectionStatus", connected ? "Connected" : "Disconnected"},
                               {"NewLastConnectionError", "ERROR_NONE"},
                               {"NewUptime", std::to_string(whole_seconds(call.now - started_))}};
  if (action == "GetConnectionTypeInfo")
    return wire::SoapArguments{{"NewConnectionType", "IP_Routed"}, {"NewPossibleConnectionTypes", "IP_Routed"}};
  if (action == "GetNATRSIPStatus") return wire::SoapArguments{{"NewRSIPAvailable", "0"}, {"NewNATEnabled", "1"}};
  if (action == "RequestConnection" && connected) return wire::SoapArguments{};
  return not_authorized;  // SetConnectionType, ForceTermination: not for any host inside to decide
}

IgdServer::Answer IgdServer::add(const Call& call, bool any_port) {
  Mapping mapping(call);
  if (mapping.error) return mapping.error;
  // Nobody maps for others. :1 has no code for that but the conflict.
  if (!mapping.client.same_ip(call.from)) return call.version >= 2 ? not_authorized : conflict;
  if (mapping.external_port == 0 && !any_port) return no_wildcard_external;
  Address inside = mapping.client.with_port(mapping.internal_port);
  const Lease* there = book_.at(mapping.protocol, mapping.external_port);
  // AddPortMapping overwrites what the same internal client has.
  bool own = there && there->method == Method::upnp && there->forward.inside.same_ip(call.from);
  if (own && !any_port && there->forward.inside != inside) book_.release(Lease(*there));
  auto outcome = book_.ask(call.now, {.method = Method::upnp,
                                      .protocol = mapping.protocol,
                                      .inside = inside,
                                      .port = mapping.external_port,
                                      .no_other = !any_port,
                                      .lifetime = mapping.lifetime,
                                      .description = mapping.description});
  if (auto* why = std::get_if<Refusal>(&outcome)) return error_of(*why, call, mapping);
  if (!any_port) return wire::SoapArguments{};
  return wire::SoapArguments{{"NewReservedPort", std::to_string(std::get<Lease>(outcome).forward.outside.port)}};
}

uint16_t IgdServer::error_of(Refusal why, const Call& call, const Mapping& mapping) const {
  bool second = call.version >= 2;  // :1 has fewer words
  switch (why) {
    case Refusal::no_address:
      return action_failed;
    case Refusal::not_permitted:
      return second ? not_authorized : conflict;
    case Refusal::host_full:
    case Refusal::book_full:
      return second ? no_port_maps : action_failed;
    case Refusal::taken:
    case Refusal::not_owner:
      break;
  }
  const Lease* there = book_.at(mapping.protocol, mapping.external_port);
  return second && there && there->method != Method::upnp ? conflict_elsewhere : conflict;
}

IgdServer::Answer IgdServer::remove(const Call& call) {
  auto protocol = protocol_of(call["NewProtocol"]);
  auto port = number<uint16_t>(call["NewExternalPort"]);
  if (!protocol || !port) return invalid_args;
  const Lease* lease = call["NewRemoteHost"].empty() ? book_.at(*protocol, *port) : nullptr;
  if (!lease) return no_such_entry;
  if (lease->method != Method::upnp || !lease->forward.inside.same_ip(call.from))
    return call.version >= 2 ? not_authorized : no_such_entry;
  book_.release(Lease(*lease));
  return wire::SoapArguments{};
}

IgdServer::Answer IgdServer::remove_range(const Call& call) {
  auto protocol = protocol_of(call["NewProtocol"]);
  auto first = number<uint16_t>(call["NewStartPort"]), last = number<uint16_t>(call["NewEndPort"]);
  auto manage = boolean(call["NewManage"]);
  if (!protocol || !first || !last || !manage) return invalid_args;
  if (*manage) return not_authorized;  // others' too: for those who have a right to
  if (*first > *last) return inconsistent;
  size_t removed = 0;
  for (const Lease& lease : book_.of_host(Method::upnp, call.from, *protocol)) {
    if (lease.forward.outside.port < *first || lease.forward.outside.port > *last) continue;
    book_.release(lease);
    ++removed;
  }
  return removed ? Answer(wire::SoapArguments{}) : Answer(mapping_not_found);
}

IgdServer::Answer IgdServer::generic(const Call& call) const {
  auto index = number<uint32_t>(call["NewPortMappingIndex"]);
  if (!index) return invalid_args;
  const Lease* lease = book_.nth(*index);
  if (!lease) return index_invalid;
  wire::SoapArguments out = key_of(*lease), rest = rest_of(*lease, call.now);
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

IgdServer::Answer IgdServer::specific(const Call& call) const {
  auto protocol = protocol_of(call["NewProtocol"]);
  auto port = number<uint16_t>(call["NewExternalPort"]);
  if (!protocol || !port) return invalid_args;
  const Lease* lease = call["NewRemoteHost"].empty() ? book_.at(*protocol, *port) : nullptr;
  return lease ? Answer(rest_of(*lease, call.now)) : Answer(no_such_entry);
}

IgdServer::Answer IgdServer::list(const Call& call) const {
  auto protocol = protocol_of(call["NewProtocol"]);
  auto first = number<uint16_t>(call["NewStartPort"]), last = number<uint16_t>(call["NewEndPort"]);
  auto manage = boolean(call["NewManage"]);
  auto count = number<uint16_t>(call["NewNumberOfPorts"]);
  if (!protocol || !first || !last || !manage || !count) return invalid_args;
  if (*manage) return not_authorized;
  if (*first > *last) return inconsistent;
  size_t most = *count == 0 ? listing_max : std::min<size_t>(*count, listing_max);
  std::string entries;
  size_t found = 0;
  for (const Lease& lease : book_.of_host(Method::upnp, call.from, *protocol)) {
    if (found == most) break;
    if (lease.forward.outside.port < *first || lease.forward.outside.port > *last) continue;
    entries += listing_entry(lease, call.now);
    ++found;
  }
  if (found == 0) return mapping_not_found;
  return wire::SoapArguments{
      {"NewPortListing",
       "<p:PortMappingList xmlns:p=\"urn:schemas-upnp-org:gw:WANIPConnection\">" + entries + "</p:PortMappingList>"}};
}

}  // namespace ginnel::portmap
