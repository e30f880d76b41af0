// What an internet gateway device says over HTTP: its description, and calls to its services in SOAP. Knows which
// elements matter and where they stand; refuses to know devices, mappings and HTTP. UPnP Device Architecture 1.1
// sections 2.3 (description) and 3.2 (control); InternetGatewayDevice:1 and :2.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace ginnel::wire {

inline constexpr std::string_view igd_device_prefix = "urn:schemas-upnp-org:device:InternetGatewayDevice:";
inline constexpr std::string_view igd_ip_connection_prefix = "urn:schemas-upnp-org:service:WANIPConnection:";
inline constexpr std::string_view igd_ppp_connection_prefix = "urn:schemas-upnp-org:service:WANPPPConnection:";

inline constexpr size_t igd_services_max = 8;
inline constexpr size_t soap_arguments_max = 32;
inline constexpr size_t soap_name_max = 64;

/// A service that maps ports (WANIPConnection, WANPPPConnection), as the description names it.
struct IgdService {
  std::string type;         ///< whole, with its version
  std::string control_url;  ///< as written: may be relative
  bool operator==(const IgdService&) const = default;
};

struct IgdDescription {
  std::string url_base;              ///< empty: relative URLs are relative to where the description came from
  std::string name;                  ///< friendlyName, for people; at most 64 printable ASCII characters
  std::vector<IgdService> services;  ///< the best first: WANIPConnection before WANPPPConnection, :2 before :1
  bool operator==(const IgdDescription&) const = default;
};

/// Nothing if it is not the XML of a device. More than igd_services_max services are left out.
std::optional<IgdDescription> parse_igd_description(Bytes document);

struct SoapArgument {
  std::string name, value;
  bool operator==(const SoapArgument&) const = default;
};
using SoapArguments = std::vector<SoapArgument>;

/// The value of the argument with this name, if there is exactly one.
std::optional<std::string_view> soap_value(const SoapArguments& arguments, std::string_view name);

struct SoapCall {
  std::string action;
  SoapArguments arguments;
  bool operator==(const SoapCall&) const = default;
};

/// Strict: Envelope, Body, one action, its arguments, nothing else below.
std::optional<SoapCall> parse_soap_call(Bytes body);
std::string soap_call(std::string_view service_type, const SoapCall& call);

/// The SOAPACTION header: service type and action, quotes removed. Nothing if a quote has no partner.
std::optional<std::pair<std::string, std::string>> parse_soap_action(std::string_view header);
std::string soap_action(std::string_view service_type, std::string_view action);

struct SoapAnswer {
  uint16_t error = 0;      ///< UPnP's errorCode; 0: none
  std::string error_text;  ///< as described, at most 64 printable ASCII characters
  SoapArguments values;
  bool operator==(const SoapAnswer&) const = default;
};

/// Of a call to `action`. Nothing if it is neither that action's response nor a fault with UPnP's error in it.
std::optional<SoapAnswer> parse_soap_answer(Bytes body, std::string_view action);
std::string soap_answer(std::string_view service_type, std::string_view action, const SoapArguments& values);
std::string soap_fault(uint16_t error, std::string_view text);

}  // namespace ginnel::wire
