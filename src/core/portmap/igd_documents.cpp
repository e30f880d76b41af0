// Device and service documents, written from one table of actions and variables. Knows the order that the schemas want;
// refuses whatever is not asked for. UPnP Device Architecture 1.1 sections 2.3 (devices) and 2.5 (services).
#include "core/portmap/igd_documents.hpp"

#include <algorithm>

#include "wire/xml.hpp"

namespace ginnel::portmap {

namespace {

using Arguments = std::vector<IgdArgument>;

const Arguments mapping_key = {
    {"NewRemoteHost", "RemoteHost"}, {"NewExternalPort", "ExternalPort"}, {"NewProtocol", "PortMappingProtocol"}};
const Arguments mapping_rest = {{"NewInternalPort", "InternalPort"},
                                {"NewInternalClient", "InternalClient"},
                                {"NewEnabled", "PortMappingEnabled"},
                                {"NewPortMappingDescription", "PortMappingDescription"},
                                {"NewLeaseDuration", "PortMappingLeaseDuration"}};

Arguments joined(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const Arguments range = {{"NewStartPort", "ExternalPort"},
                         {"NewEndPort", "ExternalPort"},
                         {"NewProtocol", "PortMappingProtocol"},
                         {"NewManage", "A_ARG_TYPE_Manage"}};

const std::vector<IgdAction> ip_actions = {
    {"SetConnectionType", 1, {{"NewConnectionType", "ConnectionType"}}, {}},
    {"GetConnectionTypeInfo",
     1,
     {},
     {{"NewConnectionType", "ConnectionType"}, {"NewPossibleConnectionTypes", "PossibleConnectionTypes"}}},
    {"RequestConnection", 1, {}, {}},
    {"ForceTermination", 1, {}, {}},
    {"GetStatusInfo",
     1,
     {},
     {{"NewConnectionStatus", "ConnectionStatus"},
      {"NewLastConnectionError", "LastConnectionError"},
      {"NewUptime", "Uptime"}}},
    {"GetNATRSIPStatus", 1, {}, {{"NewRSIPAvailable", "RSIPAvailable"}, {"NewNATEnabled", "NATEnabled"}}},
    {"GetGenericPortMappingEntry",
     1,
     {{"NewPortMappingIndex", "PortMappingNumberOfEntries"}},
     joined(mapping_key, mapping_rest)},
    {"GetSpecificPortMappingEntry", 1, mapping_key, mapping_rest},
    {"AddPortMapping", 1, joined(mapping_key, mapping_rest), {}},
    {"DeletePortMapping", 1, mapping_key, {}},
    {"GetExternalIPAddress", 1, {}, {{"NewExternalIPAddress", "ExternalIPAddress"}}},
    {"DeletePortMappingRange", 2, range, {}},
    {"GetListOfPortMappings",
     2,
     joined(range, {{"NewNumberOfPorts", "PortMappingNumberOfEntries"}}),
     {{"NewPortListing", "A_ARG_TYPE_PortListing"}}},
    {"AddAnyPortMapping", 2, joined(mapping_key, mapping_rest), {{"NewReservedPort", "ExternalPort"}}},
};

const std::vector<IgdAction> common_actions = {
    {"GetCommonLinkProperties",
     1,
     {},
     {{"NewWANAccessType", "WANAccessType"},
      {"NewLayer1UpstreamMaxBitRate", "Layer1UpstreamMaxBitRate"},
      {"NewLayer1DownstreamMaxBitRate", "Layer1DownstreamMaxBitRate"},
      {"NewPhysicalLinkStatus", "PhysicalLinkStatus"}}},
    {"GetTotalBytesSent", 1, {}, {{"NewTotalBytesSent", "TotalBytesSent"}}},
    {"GetTotalBytesReceived", 1, {}, {{"NewTotalBytesReceived", "TotalBytesReceived"}}},
    {"GetTotalPacketsSent", 1, {}, {{"NewTotalPacketsSent", "TotalPacketsSent"}}},
    {"GetTotalPacketsReceived", 1, {}, {{"NewTotalPacketsReceived", "TotalPacketsReceived"}}},
};

const std::vector<IgdAction> layer3_actions = {
    {"SetDefaultConnectionService", 1, {{"NewDefaultConnectionService", "DefaultConnectionService"}}, {}},
    {"GetDefaultConnectionService", 1, {}, {{"NewDefaultConnectionService", "DefaultConnectionService"}}},
};

struct Variable {
  std::string_view name, type;
  std::vector<std::string_view> values = {};  ///< allowed ones, if only some are
};

const std::vector<Variable> variables = {
    {"ConnectionType", "string"},
    {"PossibleConnectionTypes", "string", {"Unconfigured", "IP_Routed", "IP_Bridged"}},
    {"ConnectionStatus",
     "string",
     {"Unconfigured", "Connecting", "Connected", "PendingDisconnect", "Disconnecting", "Disconnected"}},
    {"LastConnectionError", "string", {"ERROR_NONE"}},
    {"Uptime", "ui4"},
    {"RSIPAvailable", "boolean"},
    {"NATEnabled", "boolean"},
    {"ExternalIPAddress", "string"},
    {"PortMappingNumberOfEntries", "ui2"},
    {"RemoteHost", "string"},
    {"ExternalPort", "ui2"},
    {"PortMappingProtocol", "string", {"TCP", "UDP"}},
    {"InternalPort", "ui2"},
    {"InternalClient", "string"},
    {"PortMappingEnabled", "boolean"},
    {"PortMappingDescription", "string"},
    {"PortMappingLeaseDuration", "ui4"},
    {"A_ARG_TYPE_Manage", "boolean"},
    {"A_ARG_TYPE_PortListing", "string"},
    {"WANAccessType", "string", {"DSL", "POTS", "Cable", "Ethernet"}},
    {"Layer1UpstreamMaxBitRate", "ui4"},
    {"Layer1DownstreamMaxBitRate", "ui4"},
    {"PhysicalLinkStatus", "string", {"Up", "Down"}},
    {"TotalBytesSent", "ui4"},
    {"TotalBytesReceived", "ui4"},
    {"TotalPacketsSent", "ui4"},
    {"TotalPacketsReceived", "ui4"},
    {"DefaultConnectionService", "string"},
};

std::string tag(std::string_view name, std::string_view text) {
  return "<" + std::string(name) + ">" + wire::xml_escaped(text) + "</" + std::string(name) + ">";
}

struct KindNames {
  std::string_view path, type, id;
};
KindNames names_of(IgdKind kind) {
  switch (kind) {
    case IgdKind::layer3:
      return {"l3", "Layer3Forwarding", "L3Forwarding1"};
    case IgdKind::common:
      return {"common", "WANCommonInterfaceConfig", "WANCommonIFC1"};
    case IgdKind::ip:
      break;
  }
  return {"ip", "WANIPConnection", "WANIPConn1"};
}

std::string path_of(std::string_view folder, IgdKind kind, int version) {
  return "/" + std::string(folder) + std::to_string(version) + "/" + std::string(names_of(kind).path);
}

std::optional<IgdEndpoint> endpoint_at(std::string_view folder, std::string_view path) {
  for (int version : igd_versions)
    for (IgdKind kind : {IgdKind::layer3, IgdKind::common, IgdKind::ip})
      if (path == path_of(folder, kind, version)) return IgdEndpoint{kind, version};
  return {};
}

std::string service(IgdKind kind, int version) {
  return "<service>" + tag("serviceType", igd_service_type(kind, version)) +
         tag("serviceId", "urn:upnp-org:serviceId:" + std::string(names_of(kind).id)) +
         tag("SCPDURL", path_of("scpd", kind, version)) + tag("controlURL", path_of("ctl", kind, version)) +
         // Section 2.3: empty where nothing is evented.
         "<eventSubURL/></service>";
}

std::string device(const IgdIdentity& identity, IgdDevice which, int version, const std::string& services,
                   const std::string& devices) {
  std::string out = "<device>" + tag("deviceType", igd_device_type(which, version)) +
                    tag("friendlyName", identity.name) + tag("manufacturer", "ginnel") +
                    tag("modelName", "ginnel nat") + tag("UDN", igd_uuid(identity, which, version)) + "<serviceList>" +
                    services + "</serviceList>";
  if (!devices.empty()) out += "<deviceList>" + devices + "</deviceList>";
  return out + "</device>";
}

std::string document(std::string_view root, std::string_view space, const std::string& content) {
  std::string name(root);
  return "<?xml version=\"1.0\"?>\r\n<" + name + " xmlns=\"" + std::string(space) +
         "\"><specVersion><major>1</major><minor>1</minor></specVersion>" + content + "</" + name + ">\r\n";
}

std::string arguments_of(const IgdAction& action) {
  std::string out;
  auto add = [&out](const IgdArgument& argument, const char* direction) {
    out += "<argument>" + tag("name", argument.name) + tag("direction", direction) +
           tag("relatedStateVariable", argument.variable) + "</argument>";
  };
  for (const auto& argument : action.in) add(argument, "in");
  for (const auto& argument : action.out) add(argument, "out");
  return out.empty() ? out : "<argumentList>" + out + "</argumentList>";
}

bool uses(const IgdAction& action, std::string_view variable) {
  auto is = [&](const IgdArgument& argument) { return argument.variable == variable; };
  return std::any_of(action.in.begin(), action.in.end(), is) || std::any_of(action.out.begin(), action.out.end(), is);
}

}  // namespace

std::string igd_uuid(const IgdIdentity& identity, IgdDevice device, int version) {
  constexpr std::string_view digits = "0123456789abcdef";
  auto bytes = identity.uuid;
  bytes[15] = static_cast<uint8_t>(bytes[15] + static_cast<int>(device) + 4 * version);
  std::string out = "uuid:";
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

std::string igd_device_type(IgdDevice device, int version) {
  const char* name = device == IgdDevice::gateway ? "InternetGatewayDevice"
                     : device == IgdDevice::wan   ? "WANDevice"
                                                  : "WANConnectionDevice";
  return "urn:schemas-upnp-org:device:" + std::string(name) + ":" + std::to_string(version);
}

std::string igd_service_type(IgdKind kind, int version) {
  return "urn:schemas-upnp-org:service:" + std::string(names_of(kind).type) + ":" +
         std::to_string(kind == IgdKind::ip ? version : 1);
}

std::string igd_server_line(const IgdIdentity& identity) { return "Linux UPnP/1.1 " + identity.product; }

std::string igd_description_path(int version) { return "/igd" + std::to_string(version) + ".xml"; }
std::optional<IgdEndpoint> igd_control_at(std::string_view path) { return endpoint_at("ctl", path); }
std::optional<IgdEndpoint> igd_service_document_at(std::string_view path) { return endpoint_at("scpd", path); }

const std::vector<IgdAction>& igd_actions(IgdKind kind) {
  return kind == IgdKind::ip ? ip_actions : kind == IgdKind::common ? common_actions : layer3_actions;
}

std::string igd_device_document(const IgdIdentity& identity, int version) {
  std::string connection = device(identity, IgdDevice::connection, version, service(IgdKind::ip, version), "");
  std::string wan = device(identity, IgdDevice::wan, version, service(IgdKind::common, version), connection);
  return document("root", "urn:schemas-upnp-org:device-1-0",
                  device(identity, IgdDevice::gateway, version, service(IgdKind::layer3, version), wan));
}

std::string igd_service_document(IgdKind kind, int version) {
  std::string actions, table;
  std::vector<const IgdAction*> known;
  for (const auto& action : igd_actions(kind))
    if (action.since <= version) known.push_back(&action);
  for (const auto* action : known)
    actions += "<action>" + tag("name", action->name) + arguments_of(*action) + "</action>";
  for (const auto& variable : variables) {
    if (std::none_of(known.begin(), known.end(), [&](auto* action) { return uses(*action, variable.name); })) continue;
    table += "<stateVariable sendEvents=\"no\">" + tag("name", variable.name) + tag("dataType", variable.type);
    std::string values;
    for (auto value : variable.values) values += tag("allowedValue", value);
    if (!values.empty()) table += "<allowedValueList>" + values + "</allowedValueList>";
    table += "</stateVariable>";
  }
  return document("scpd", "urn:schemas-upnp-org:service-1-0",
                  "<actionList>" + actions + "</actionList><serviceStateTable>" + table + "</serviceStateTable>");
}

}  // namespace ginnel::portmap
