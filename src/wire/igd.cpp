// Device descriptions and SOAP to values and back. Knows the few elements that port mapping needs; refuses whatever
// stands where it should not in a call, and skips what it need not understand in an answer. UPnP Device
// Architecture 1.1 sections 2.3, 3.2.1 (call), 3.2.2 (answer), 3.2.4 (fault).
#include "wire/igd.hpp"

#include <algorithm>
#include <charconv>

#include "wire/url_text.hpp"
#include "wire/xml.hpp"

namespace ginnel::wire {

namespace {

constexpr size_t label_max = 64;

template <typename T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

/// Of a text that only people read: short, and nothing that a terminal would obey.
std::string label(std::string_view text) {
  std::string out(text.substr(0, label_max));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

std::string text_of(const XmlElement* element) { return element ? element->text : std::string(); }

/// Its version; 0: it is no such service.
uint16_t version_of(std::string_view type, std::string_view prefix) {
  if (!type.starts_with(prefix)) return 0;
  return number<uint16_t>(type.substr(prefix.size())).value_or(0);
}

int rank(const IgdService& service) {
  uint16_t ip = version_of(service.type, igd_ip_connection_prefix);
  return ip >= 2 ? 0 : ip == 1 ? 1 : 2;
}

bool maps_ports(std::string_view type) {
  return version_of(type, igd_ip_connection_prefix) > 0 || version_of(type, igd_ppp_connection_prefix) > 0;
}

bool is_name(std::string_view text) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && text.size() <= soap_name_max && letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

/// The one element inside Envelope/Body; nothing if the frame is another.
std::optional<size_t> body_of(const XmlElements& elements) {
  if (elements.empty() || elements[0].name != "Envelope") return {};
  const XmlElement* body = xml_child(elements, 0, "Body");
  if (!body) return {};
  std::optional<size_t> content;
  size_t count = 0;
  for_each_xml_child(elements, static_cast<size_t>(body - elements.data()), [&](size_t i) {
    content = i;
    ++count;
  });
  return count == 1 ? content : std::nullopt;
}

/// The children as arguments; nothing if one has a bad name or children of its own, or there are too many.
std::optional<SoapArguments> arguments_of(const XmlElements& elements, size_t parent) {
  SoapArguments out;
  for (size_t i = parent + 1; i < elements.size() && elements[i].depth > elements[parent].depth; ++i) {
    bool direct = elements[i].depth == elements[parent].depth + 1;
    if (!direct || out.size() == soap_arguments_max || !is_name(elements[i].name)) return {};
    out.push_back({elements[i].name, elements[i].text});
  }
  return out;
}

std::string enveloped(const std::string& body) {
  return "<?xml version=\"1.0\"?>\r\n"
         "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
         "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>" +
         body + "</s:Body></s:Envelope>\r\n";
}

std::string element_of(std::string_view service_type, const std::string& name, const SoapArguments& arguments) {
  std::string out = "<u:" + name + " xmlns:u=\"" + xml_escaped(service_type) + "\">";
  for (const auto& [argument, value] : arguments)
    out += "<" + argument + ">" + xml_escaped(value) + "</" + argument + ">";
  return out + "</u:" + name + ">";
}

}  // namespace

std::optional<IgdDescription> parse_igd_description(Bytes document) {
  auto elements = parse_xml(document, XmlBytes::lenient);
  if (!elements || elements->empty() || elements->front().name != "root") return {};
  const XmlElement* device = xml_child(*elements, 0, "device");
  if (!device) return {};
  IgdDescription out;
  out.url_base = text_of(xml_child(*elements, 0, "URLBase"));
  out.name = label(text_of(xml_child(*elements, static_cast<size_t>(device - elements->data()), "friendlyName")));
  for (size_t i = 0; i < elements->size() && out.services.size() < igd_services_max; ++i) {
    if ((*elements)[i].name != "service") continue;
    IgdService service{text_of(xml_child(*elements, i, "serviceType")), text_of(xml_child(*elements, i, "controlURL"))};
    if (maps_ports(service.type)) out.services.push_back(std::move(service));
  }
  std::stable_sort(out.services.begin(), out.services.end(),
                   [](const IgdService& a, const IgdService& b) { return rank(a) < rank(b); });
  return out;
}

std::optional<std::string_view> soap_value(const SoapArguments& arguments, std::string_view name) {
  std::optional<std::string_view> found;
  for (const auto& argument : arguments) {
    if (argument.name != name) continue;
    if (found) return {};
    found = argument.value;
  }
  return found;
}

std::optional<SoapCall> parse_soap_call(Bytes body) {
  auto elements = parse_xml(body, XmlBytes::strict);
  if (!elements) return {};
  auto action = body_of(*elements);
  if (!action || !is_name((*elements)[*action].name)) return {};
  auto arguments = arguments_of(*elements, *action);
  if (!arguments) return {};
  return SoapCall{(*elements)[*action].name, std::move(*arguments)};
}

std::string soap_call(std::string_view service_type, const SoapCall& call) {
  return enveloped(element_of(service_type, call.action, call.arguments));
}

std::optional<std::pair<std::string, std::string>> parse_soap_action(std::string_view header) {
  header = trim(header);
  bool opens = header.starts_with('"'), closes = header.size() >= 2 && header.ends_with('"');
  if (opens != closes) return {};
  if (opens) header = header.substr(1, header.size() - 2);
  size_t hash = header.rfind('#');
  if (hash == header.npos || hash == 0 || header.find_first_of("\"'") != header.npos || has_space(header)) return {};
  if (!is_name(header.substr(hash + 1))) return {};
  return std::pair{std::string(header.substr(0, hash)), std::string(header.substr(hash + 1))};
}

std::string soap_action(std::string_view service_type, std::string_view action) {
  return '"' + std::string(service_type) + '#' + std::string(action) + '"';
}

std::optional<SoapAnswer> parse_soap_answer(Bytes body, std::string_view action) {
  auto elements = parse_xml(body, XmlBytes::lenient);
  if (!elements) return {};
  auto content = body_of(*elements);
  if (!content) return {};
  const std::string& name = (*elements)[*content].name;
  SoapAnswer out;
  if (name == std::string(action) + "Response") {
    auto values = arguments_of(*elements, *content);
    if (!values) return {};
    out.values = std::move(*values);
    return out;
  }
  if (name != "Fault") return {};
  for (size_t i = *content + 1; i < elements->size(); ++i) {  // Fault is the last in the document
    if ((*elements)[i].name != "UPnPError") continue;
    out.error = number<uint16_t>(text_of(xml_child(*elements, i, "errorCode"))).value_or(0);
    out.error_text = label(text_of(xml_child(*elements, i, "errorDescription")));
    break;
  }
  return out.error ? std::optional(std::move(out)) : std::nullopt;
}

std::string soap_answer(std::string_view service_type, std::string_view action, const SoapArguments& values) {
  return enveloped(element_of(service_type, std::string(action) + "Response", values));
}

std::string soap_fault(uint16_t error, std::string_view text) {
  return enveloped(
      "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
      "<UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>" +
      std::to_string(error) + "</errorCode><errorDescription>" + xml_escaped(text) +
      "</errorDescription></UPnPError></detail></s:Fault>");
}

}  // namespace ginnel::wire
