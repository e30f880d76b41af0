// The documents that a UPnP gateway hands out: what devices and services it has, and what can be asked of each. Knows
// the names that the standards gave; refuses to know how to do any of it (igd_server). InternetGatewayDevice:1 and :2,
// WANIPConnection:1 and :2, WANCommonInterfaceConfig:1, Layer3Forwarding:1; UPnP Device Architecture 1.1 section 2.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"

namespace ginnel::portmap {

struct IgdIdentity {
  Address http;                      ///< where the HTTP server listens: the gateway's inside address, and its port
  std::array<uint8_t, 16> uuid{};    ///< the same for the life of the gateway; the last byte is ours to count with
  std::string name;                  ///< for people: friendlyName
  std::string product = "ginnel/1";  ///< "name/version", of SERVER lines
};

/// Two root devices stand side by side, :1 and :2 of the same gateway, so that each control point finds what it knows.
inline constexpr std::array<int, 2> igd_versions = {1, 2};

enum class IgdDevice : uint8_t { gateway, wan, connection };
enum class IgdKind : uint8_t { layer3, common, ip };

std::string igd_uuid(const IgdIdentity& identity, IgdDevice device, int version);  ///< "uuid:..."
std::string igd_device_type(IgdDevice device, int version);
std::string igd_service_type(IgdKind kind, int version);  ///< only ip has a :2
std::string igd_server_line(const IgdIdentity& identity);

std::string igd_description_path(int version);  ///< "/igd1.xml"

/// What a path of the control or service documents means.
struct IgdEndpoint {
  IgdKind kind;
  int version;
};
std::optional<IgdEndpoint> igd_control_at(std::string_view path);
std::optional<IgdEndpoint> igd_service_document_at(std::string_view path);

struct IgdArgument {
  std::string_view name;
  std::string_view variable;  ///< its type
};
struct IgdAction {
  std::string_view name;
  int since = 1;  ///< version of the service
  std::vector<IgdArgument> in, out;
};
/// Every action of a service, those of later versions too.
const std::vector<IgdAction>& igd_actions(IgdKind kind);

std::string igd_device_document(const IgdIdentity& identity, int version);
std::string igd_service_document(IgdKind kind, int version);

}  // namespace ginnel::portmap
