// Any bytes as XML, device description, SOAP call, SOAP answer and SOAPACTION. Promises: what comes out is bounded by
// what went in; what is understood, written again, is understood the same; no bytes, put into an argument, can become
// anything but that argument's text. UPnP Device Architecture 1.1 sections 2.3 and 3.2.
#include <cstdint>

#include "fuzz/check.hpp"
#include "wire/igd.hpp"
#include "wire/url_text.hpp"
#include "wire/xml.hpp"

using namespace ginnel;
using namespace ginnel::wire;

namespace {

constexpr const char* type = "urn:schemas-upnp-org:service:WANIPConnection:1";

void check_bounds(const XmlElements& elements, size_t size) {
  FUZZ_CHECK(size <= xml_size_max && !elements.empty() && elements.size() <= xml_elements_max);
  size_t bytes = 0;
  for (const auto& element : elements) {
    FUZZ_CHECK(element.depth < xml_depth_max);
    bytes += element.name.size() + element.text.size();
  }
  FUZZ_CHECK(bytes <= 4 * size);  // a byte of another encoding may be up to four in UTF-8
}

/// As the escapes leave it: control characters are spaces, and none at the ends.
std::string plain(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  return std::string(trim(text));
}

void check_call(const SoapCall& call) {
  FUZZ_CHECK(call.arguments.size() <= soap_arguments_max);
  std::string text = soap_call(type, call);
  if (text.size() > xml_size_max) return;
  auto again = parse_soap_call(as_bytes(text));
  FUZZ_CHECK(again && again->action == call.action && again->arguments.size() == call.arguments.size());
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    FUZZ_CHECK(again->arguments[i].name == call.arguments[i].name);
    FUZZ_CHECK(again->arguments[i].value == plain(call.arguments[i].value));
  }
}

void check_argument(Bytes any) {
  SoapCall call{"A", {{"b", std::string(as_text(any))}, {"c", "d"}}};
  std::string text = soap_call(type, call);
  auto again = parse_soap_call(as_bytes(text));
  if (!again) return;  // too large, or no UTF-8
  FUZZ_CHECK(again->action == "A" && again->arguments.size() == 2 && soap_value(again->arguments, "c") == "d");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  for (auto how : {XmlBytes::strict, XmlBytes::lenient})
    if (auto elements = parse_xml(bytes, how)) check_bounds(*elements, size);
  if (auto description = parse_igd_description(bytes)) {
    FUZZ_CHECK(description->services.size() <= igd_services_max && description->name.size() <= 64);
    for (const auto& service : description->services)
      FUZZ_CHECK(service.type.starts_with("urn:schemas-upnp-org:service:WAN"));
  }
  if (auto call = parse_soap_call(bytes)) check_call(*call);
  if (auto answer = parse_soap_answer(bytes, "A")) {
    FUZZ_CHECK(answer->values.size() <= soap_arguments_max && (answer->error == 0 || answer->values.empty()));
    FUZZ_CHECK(answer->error_text.size() <= 64);
  }
  if (auto action = parse_soap_action(as_text(bytes)))
    FUZZ_CHECK(parse_soap_action(soap_action(action->first, action->second)) == action);
  check_argument(bytes);
  return 0;
}
