// Device descriptions and SOAP: as real devices write them, as ours are written, and hostile ones. Knows wire/igd;
// refuses HTTP. UPnP Device Architecture 1.1 sections 2.3 and 3.2.
#include "wire/igd.hpp"

#include <gtest/gtest.h>

namespace ginnel::wire {
namespace {

constexpr const char* wan1 = "urn:schemas-upnp-org:service:WANIPConnection:1";
constexpr const char* wan2 = "urn:schemas-upnp-org:service:WANIPConnection:2";
constexpr const char* ppp1 = "urn:schemas-upnp-org:service:WANPPPConnection:1";

std::string service(const std::string& type, const std::string& control) {
  return "<service><serviceType>" + type + "</serviceType><serviceId>x</serviceId><controlURL>" + control +
         "</controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s.xml</SCPDURL></service>";
}

std::string description(const std::string& services, const std::string& more = "") {
  return "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><specVersion><major>1</major>"
         "</specVersion>" +
         more +
         "<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>"
         "<friendlyName>My \x1b[31mrouter\xe9</friendlyName><deviceList><device><deviceList><device><serviceList>" +
         services + "</serviceList></device></deviceList></device></deviceList></device></root>";
}

TEST(Igd, DescriptionNamesTheBestServiceFirst) {
  auto d = parse_igd_description(
      as_bytes(description(service("urn:schemas-upnp-org:service:Layer3Forwarding:1", "/l3") + service(ppp1, "/ppp") +
                               service(wan1, " /one ") + service(wan2, "two"),
                           "<URLBase>http://192.168.1.1:80/</URLBase>")));
  EXPECT_FALSE(d) << "an escape character is no XML";
  std::string text = description(service("urn:schemas-upnp-org:service:Layer3Forwarding:1", "/l3") +
                                     service(ppp1, "/ppp") + service(wan1, " /one ") + service(wan2, "two"),
                                 "<URLBase>http://192.168.1.1:80/</URLBase>");
  text[text.find('\x1b')] = '?';
  d = parse_igd_description(as_bytes(text));
  ASSERT_TRUE(d);
  EXPECT_EQ(d->services, (std::vector<IgdService>{{wan2, "two"}, {wan1, "/one"}, {ppp1, "/ppp"}}));
  EXPECT_EQ(d->url_base, "http://192.168.1.1:80/");
  EXPECT_EQ(d->name, "My ?[31mrouter??") << "for people, so nothing a terminal would obey";
}

TEST(Igd, DescriptionsThatHaveNothingForUs) {
  std::string none = "<root><device><friendlyName>TV</friendlyName></device></root>";
  auto d = parse_igd_description(as_bytes(none));
  ASSERT_TRUE(d);
  EXPECT_TRUE(d->services.empty());
  for (const char* type :
       {"urn:schemas-upnp-org:service:WANIPConnection:", "urn:schemas-upnp-org:service:WANIPConnection:x",
        "urn:schemas-upnp-org:service:WANIPConnection:1x", "urn:schemas-upnp-org:service:WANIPConnection:99999",
        "WANIPConnection:1", "urn:schemas-upnp-org:service:WANIPConnection:0"}) {
    d = parse_igd_description(
        as_bytes("<root><device><serviceList>" + service(type, "/c") + "</serviceList></device></root>"));
    ASSERT_TRUE(d);
    EXPECT_TRUE(d->services.empty()) << type;
  }
  for (const char* text : {"", "<html/>", "<root/>", "<root><device/><device/></root>", "<root><device></root>"})
    EXPECT_FALSE(parse_igd_description(as_bytes(text))) << text;
}

TEST(Igd, ManyServicesAreCutOff) {
  std::string services;
  for (int i = 0; i < 100; ++i) services += service(wan1, "/" + std::to_string(i));
  auto d = parse_igd_description(as_bytes("<root><device><serviceList>" + services + "</serviceList></device></root>"));
  ASSERT_TRUE(d);
  EXPECT_EQ(d->services.size(), igd_services_max);
}

TEST(Soap, CallsRoundTrip) {
  SoapCall call{"AddPortMapping",
                {{"NewRemoteHost", ""}, {"NewExternalPort", "80"}, {"NewPortMappingDescription", "<a&b>\"'"}}};
  EXPECT_EQ(parse_soap_call(as_bytes(soap_call(wan1, call))), call);
  SoapCall bare{"GetStatusInfo", {}};
  EXPECT_EQ(parse_soap_call(as_bytes(soap_call(wan2, bare))), bare);
}

std::string in_body(const std::string& content) {
  return "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body>" + content +
         "</s:Body></s:Envelope>";
}

TEST(Soap, CallsWithAnotherFrame) {
  EXPECT_TRUE(parse_soap_call(as_bytes(in_body("<u:A xmlns:u='x'/>"))));
  std::string many = "<A>";
  for (size_t i = 0; i <= soap_arguments_max; ++i) many += "<b>1</b>";
  for (const std::string& text :
       {in_body(""), in_body("<A/><B/>"), in_body("<A><b><c/></b></A>"), in_body(many + "</A>"),
        in_body("<" + std::string(soap_name_max + 1, 'a') + "/>"), in_body("<\xc3\xa9/>"), std::string("<Envelope/>"),
        std::string("<Body><A/></Body>"), std::string("<Envelope><Body><A/></Body><Body><A/></Body></Envelope>"),
        std::string("<!DOCTYPE x><Envelope><Body><A/></Body></Envelope>")})
    EXPECT_FALSE(parse_soap_call(as_bytes(text))) << text;
}

TEST(Soap, RepeatedArgumentsHaveNoValue) {
  auto call =
      parse_soap_call(as_bytes(in_body("<A><NewInternalClient>1.1.1.1</NewInternalClient>"
                                       "<NewInternalClient>2.2.2.2</NewInternalClient><b>1</b></A>")));
  ASSERT_TRUE(call);
  EXPECT_FALSE(soap_value(call->arguments, "NewInternalClient"))
      << "the one that is checked must be the one that counts";
  EXPECT_EQ(soap_value(call->arguments, "b"), "1");
  EXPECT_FALSE(soap_value(call->arguments, "c"));
}

TEST(Soap, ActionHeader) {
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(parse_soap_action(soap_action(wan1, "GetStatusInfo")), (Pair{wan1, "GetStatusInfo"}));
  EXPECT_EQ(parse_soap_action("urn:x#A"), (Pair{"urn:x", "A"}));
  EXPECT_EQ(parse_soap_action(" \"urn:x#A\" "), (Pair{"urn:x", "A"}));
  for (const char* text : {"", "\"", "\"\"", "\"urn:x#A", "urn:x#A\"", "'urn:x#A'", "'", "urn:x", "#A", "\"#A\"",
                           "urn:x#", "urn:x#A B", "urn:x#A\"B", "urn:x#1"})
    EXPECT_FALSE(parse_soap_action(text)) << text;
}

TEST(Soap, AnswersRoundTrip) {
  SoapAnswer answer{0, "", {{"NewExternalIPAddress", "198.51.100.7"}}};
  std::string text = soap_answer(wan1, "GetExternalIPAddress", answer.values);
  EXPECT_EQ(parse_soap_answer(as_bytes(text), "GetExternalIPAddress"), answer);
  EXPECT_FALSE(parse_soap_answer(as_bytes(text), "GetStatusInfo")) << "the answer to another question";
  SoapAnswer fault{718, "ConflictInMappingEntry", {}};
  EXPECT_EQ(parse_soap_answer(as_bytes(soap_fault(718, "ConflictInMappingEntry")), "AddPortMapping"), fault);
}

TEST(Soap, FaultsWithoutACode) {
  EXPECT_FALSE(parse_soap_answer(as_bytes(in_body("<s:Fault><faultcode>x</faultcode></s:Fault>")), "A"));
  for (const char* code : {"", "0", "-1", "65536", "7x"})
    EXPECT_FALSE(parse_soap_answer(as_bytes(in_body("<Fault><detail><UPnPError><errorCode>" + std::string(code) +
                                                    "</errorCode></UPnPError></detail></Fault>")),
                                   "A"))
        << code;
}

}  // namespace
}  // namespace ginnel::wire
