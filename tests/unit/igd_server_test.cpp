// UPnP at the gateway: documents, every action and its errors, secure mode, leases, and requests that are not meant for
// us. Knows core/portmap/service from outside, in virtual time; refuses HTTP itself. WANIPConnection:1 and :2.
#include "core/portmap/igd_server.hpp"

#include <gtest/gtest.h>

#include "tests/support/portmap_gateway.hpp"
#include "wire/xml.hpp"

namespace ginnel::portmap {
namespace {

using test::lan;
using test::outside_at;
using test::tcp_protocol;
using test::udp_protocol;
using wire::SoapAnswer;
using wire::SoapArguments;

class IgdServerTest : public ::testing::Test {
 protected:
  HttpRequest post(const Address& from, const std::string& path, const std::string& type, const std::string& action,
                   const SoapArguments& arguments) {
    return {from.with_port(50001),
            "POST",
            path,
            "192.168.1.1:5000",
            wire::soap_action(type, action),
            wire::soap_call(type, {action, arguments})};
  }
  SoapAnswer call(const Address& from, int version, const std::string& action, const SoapArguments& arguments = {},
                  IgdKind kind = IgdKind::ip) {
    const char* folder = version == 1 ? "/ctl1/" : "/ctl2/";
    std::string path = folder + std::string(kind == IgdKind::ip ? "ip" : kind == IgdKind::common ? "common" : "l3");
    auto response =
        gateway.service->handle_http(gateway.now, post(from, path, igd_service_type(kind, version), action, arguments));
    auto answer = wire::parse_soap_answer(as_bytes(response.body), action);
    EXPECT_TRUE(answer) << response.status << response.body;
    if (answer) {
      EXPECT_EQ(response.status, answer->error ? 500u : 200u);
      EXPECT_EQ(answer->error == 0, answer->error_text.empty());
    }
    return answer.value_or(SoapAnswer{9999, "", {}});
  }
  static SoapArguments mapping(const Address& client, uint16_t port, const char* protocol = "UDP",
                               const char* lease = "3600") {
    return {{"NewRemoteHost", ""},
            {"NewExternalPort", std::to_string(port)},
            {"NewProtocol", protocol},
            {"NewInternalPort", std::to_string(client.port)},
            {"NewInternalClient", client.ip_to_string()},
            {"NewEnabled", "1"},
            {"NewPortMappingDescription", "a game"},
            {"NewLeaseDuration", lease}};
  }
  static SoapArguments with(SoapArguments arguments, const std::string& name, const std::string& value) {
    for (auto& a : arguments)
      if (a.name == name) a.value = value;
    return arguments;
  }
  uint16_t add(const Address& from, const SoapArguments& arguments, int version = 1) {
    return call(from, version, "AddPortMapping", arguments).error;
  }
  static SoapArguments key(uint16_t port, const char* protocol = "UDP") {
    return {{"NewRemoteHost", ""}, {"NewExternalPort", std::to_string(port)}, {"NewProtocol", protocol}};
  }
  std::string value(const SoapAnswer& answer, const char* name) {
    return std::string(wire::soap_value(answer.values, name).value_or("?"));
  }
  HttpResponse get(const std::string& path, const std::string& host = "192.168.1.1:5000") {
    return gateway.service->handle_http(gateway.now, {lan(2), "GET", path, host, "", ""});
  }

  test::PortmapGateway gateway;
};

TEST_F(IgdServerTest, DescriptionsLeadToTheService) {
  for (int version : {1, 2}) {
    HttpResponse r = get(igd_description_path(version));
    EXPECT_EQ(r.status, 200u);
    EXPECT_TRUE(r.content_type.starts_with("text/xml"));
    auto d = wire::parse_igd_description(as_bytes(r.body));
    ASSERT_TRUE(d);
    EXPECT_EQ(d->name, "the lab's gateway");
    ASSERT_EQ(d->services.size(), 1u);
    EXPECT_EQ(d->services[0].type, "urn:schemas-upnp-org:service:WANIPConnection:" + std::to_string(version));
    EXPECT_EQ(d->services[0].control_url, "/ctl" + std::to_string(version) + "/ip");
  }
}

TEST_F(IgdServerTest, ServiceDocumentsAreWholeAndOfTheirVersion) {
  for (const char* path : {"/scpd1/ip", "/scpd2/ip", "/scpd1/common", "/scpd1/l3"}) {
    HttpResponse r = get(path);
    auto elements = wire::parse_xml(as_bytes(r.body), wire::XmlBytes::strict);
    ASSERT_TRUE(elements) << path;
    std::set<std::string> used, defined;
    for (size_t i = 0; i < elements->size(); ++i) {
      if ((*elements)[i].name == "relatedStateVariable") used.insert((*elements)[i].text);
      if ((*elements)[i].name == "stateVariable") defined.insert(wire::xml_child(*elements, i, "name")->text);
    }
    EXPECT_EQ(used, defined) << path;
    bool second = r.body.find("AddAnyPortMapping") != r.body.npos;
    EXPECT_EQ(second, std::string(path) == "/scpd2/ip");
  }
}

TEST_F(IgdServerTest, OnlyInOurNameAndFromInside) {
  EXPECT_EQ(get("/igd1.xml").status, 200u);
  for (const char* host :
       {"", "evil.example", "evil.example:5000", "192.168.1.1", "192.168.1.1:80", "192.168.1.2:5000"})
    EXPECT_EQ(get("/igd1.xml", host).status, 403u) << host;
  HttpRequest r = post(lan(2), "/ctl1/ip", igd_service_type(IgdKind::ip, 1), "GetStatusInfo", {});
  EXPECT_EQ(gateway.service->handle_http(gateway.now, r).status, 200u);
  r.from = Address::v4(203, 0, 113, 9, 1);
  EXPECT_EQ(gateway.service->handle_http(gateway.now, r).status, 403u);
  r.from = lan(2);
  r.host = "rebound.example:5000";
  EXPECT_EQ(gateway.service->handle_http(gateway.now, r).status, 403u);
}

TEST_F(IgdServerTest, PathsAndMethods) {
  for (const char* path : {"/", "", "/igd3.xml", "/igd1.xml/", "/../igd1.xml", "/ctl1/ip", "*"})
    EXPECT_EQ(get(path).status, 404u) << path;
  auto status = [&](const char* method) {
    return gateway.service->handle_http(gateway.now, {lan(2), method, "/ctl1/ip", "192.168.1.1:5000", "", ""}).status;
  };
  EXPECT_EQ(status("SUBSCRIBE"), 503u) << "nobody is called back";
  EXPECT_EQ(status("PUT"), 405u);
  EXPECT_EQ(status("M-POST"), 405u);
  EXPECT_EQ(status("POST"), 400u) << "without a body";
}

TEST_F(IgdServerTest, HeaderAndBodyMustNameTheSameAction) {
  HttpRequest r = post(lan(2), "/ctl1/ip", igd_service_type(IgdKind::ip, 1), "GetStatusInfo", {});
  auto status = [&] { return gateway.service->handle_http(gateway.now, r).status; };
  EXPECT_EQ(status(), 200u);
  for (const char* header : {"", "'urn:schemas-upnp-org:service:WANIPConnection:1#GetStatusInfo'", "\"",
                             "\"urn:schemas-upnp-org:service:WANIPConnection:1#GetExternalIPAddress\""}) {
    r.soap_action = header;
    EXPECT_EQ(status(), 400u) << header;
  }
  r.soap_action = wire::soap_action(igd_service_type(IgdKind::ip, 2), "GetStatusInfo");
  EXPECT_EQ(status(), 500u) << "a service that is not at this path";
  r.soap_action = wire::soap_action("urn:x", "GetStatusInfo");
  EXPECT_EQ(status(), 500u);
}

TEST_F(IgdServerTest, ActionsOfTheSecondVersion) {
  EXPECT_EQ(call(lan(2), 1, "AddAnyPortMapping", mapping(lan(2), 5000)).error, 401);
  EXPECT_EQ(call(lan(2), 1, "NoSuchAction").error, 401);
  // A control point of :1 at a service of :2 sees :1.
  auto response = gateway.service->handle_http(gateway.now, post(lan(2), "/ctl2/ip", igd_service_type(IgdKind::ip, 1),
                                                                 "AddAnyPortMapping", mapping(lan(2), 5000)));
  EXPECT_EQ(wire::parse_soap_answer(as_bytes(response.body), "AddAnyPortMapping")->error, 401);
}

TEST_F(IgdServerTest, Status) {
  gateway.wait(90s);
  EXPECT_EQ(value(call(lan(2), 1, "GetExternalIPAddress"), "NewExternalIPAddress"), "198.51.100.7");
  auto status = call(lan(2), 1, "GetStatusInfo");
  EXPECT_EQ(value(status, "NewConnectionStatus"), "Connected");
  EXPECT_EQ(value(status, "NewUptime"), "90");
  EXPECT_EQ(value(call(lan(2), 1, "GetConnectionTypeInfo"), "NewConnectionType"), "IP_Routed");
  EXPECT_EQ(value(call(lan(2), 1, "GetNATRSIPStatus"), "NewNATEnabled"), "1");
  EXPECT_EQ(value(call(lan(2), 1, "GetCommonLinkProperties", {}, IgdKind::common), "NewPhysicalLinkStatus"), "Up");
  gateway.service->set_traffic({(uint64_t{1} << 32) + 7, 8, 9, 10});
  EXPECT_EQ(value(call(lan(2), 1, "GetTotalBytesSent", {}, IgdKind::common), "NewTotalBytesSent"), "7");
  EXPECT_EQ(value(call(lan(2), 1, "GetTotalPacketsReceived", {}, IgdKind::common), "NewTotalPacketsReceived"), "10");
  EXPECT_TRUE(value(call(lan(2), 1, "GetDefaultConnectionService", {}, IgdKind::layer3), "NewDefaultConnectionService")
                  .ends_with("WANConnectionDevice:1,urn:upnp-org:serviceId:WANIPConn1"));
  EXPECT_EQ(call(lan(2), 1, "RequestConnection").error, 0);
  EXPECT_EQ(call(lan(2), 1, "ForceTermination").error, 606);
  gateway.service->set_external(gateway.now, {});
  EXPECT_EQ(call(lan(2), 1, "GetExternalIPAddress").error, 501);
  EXPECT_EQ(value(call(lan(2), 1, "GetStatusInfo"), "NewConnectionStatus"), "Disconnected");
  EXPECT_EQ(add(lan(2), mapping(lan(2), 5000)), 501);
}

TEST_F(IgdServerTest, AddsAndFindsAndDeletes) {
  EXPECT_EQ(add(lan(2), mapping(lan(2), 5000)), 0);
  EXPECT_TRUE(gateway.engine.leads(udp_protocol, outside_at(5000), lan(2)));
  gateway.wait(600s);
  auto specific = call(lan(3), 1, "GetSpecificPortMappingEntry", key(5000));
  EXPECT_EQ(value(specific, "NewInternalClient"), "192.168.1.2");
  EXPECT_EQ(value(specific, "NewInternalPort"), "40000");
  EXPECT_EQ(value(specific, "NewPortMappingDescription"), "a game");
  EXPECT_EQ(value(specific, "NewLeaseDuration"), "3000");
  auto generic = call(lan(2), 1, "GetGenericPortMappingEntry", {{"NewPortMappingIndex", "0"}});
  EXPECT_EQ(value(generic, "NewExternalPort"), "5000");
  EXPECT_EQ(value(generic, "NewProtocol"), "UDP");
  EXPECT_EQ(call(lan(2), 1, "GetGenericPortMappingEntry", {{"NewPortMappingIndex", "1"}}).error, 713);
  EXPECT_EQ(call(lan(2), 1, "GetSpecificPortMappingEntry", key(5001)).error, 714);
  EXPECT_EQ(call(lan(2), 1, "GetSpecificPortMappingEntry", key(5000, "TCP")).error, 714);
  EXPECT_EQ(call(lan(2), 1, "DeletePortMapping", key(5000)).error, 0);
  EXPECT_EQ(call(lan(2), 1, "DeletePortMapping", key(5000)).error, 714);
  EXPECT_TRUE(gateway.engine.forwards.empty());
}

TEST_F(IgdServerTest, NobodyMapsForOthers) {
  EXPECT_EQ(add(lan(2), mapping(lan(3), 5000), 1), 718);
  EXPECT_EQ(add(lan(2), mapping(lan(3), 5000), 2), 606);
  EXPECT_EQ(add(lan(2), mapping(Address::v4(127, 0, 0, 1, 22), 5000), 1), 718);
  EXPECT_TRUE(gateway.engine.forwards.empty());
  add(lan(2), mapping(lan(2), 5000));
  EXPECT_EQ(call(lan(3), 1, "DeletePortMapping", key(5000)).error, 714);
  EXPECT_EQ(call(lan(3), 2, "DeletePortMapping", key(5000)).error, 606);
  EXPECT_EQ(gateway.engine.forwards.size(), 1u);
}

TEST_F(IgdServerTest, ConflictsAndOverwriting) {
  add(lan(2), mapping(lan(2), 5000));
  EXPECT_EQ(add(lan(3), mapping(lan(3), 5000)), 718);
  EXPECT_EQ(add(lan(2), mapping(lan(2), 5000, "UDP", "60")), 0) << "again, with a shorter lease";
  EXPECT_EQ(add(lan(2), mapping(lan(2, 41000), 5000)), 0) << "a host may overwrite its own";
  EXPECT_TRUE(gateway.engine.leads(udp_protocol, outside_at(5000), lan(2, 41000)));
  EXPECT_EQ(gateway.engine.forwards.size(), 1u);
  gateway.engine.taken = {6000};
  EXPECT_EQ(add(lan(2), mapping(lan(2), 6000)), 718) << "a flow of the gateway's has it";
}

TEST_F(IgdServerTest, OtherProtocolsLeasesAreSeenAndSafe) {
  std::array<uint8_t, wire::nat_pmp_message_max> room;
  gateway.ask(lan(2), wire::put_nat_pmp_request({wire::NatPmpOpcode::map_udp, 40000, 5000, 7200}, room));
  EXPECT_EQ(value(call(lan(2), 1, "GetSpecificPortMappingEntry", key(5000)), "NewPortMappingDescription"), "nat-pmp");
  EXPECT_EQ(add(lan(2), mapping(lan(2), 5000), 1), 718);
  EXPECT_EQ(add(lan(2), mapping(lan(2), 5000), 2), 729);
  EXPECT_EQ(call(lan(2), 1, "DeletePortMapping", key(5000)).error, 714);
  EXPECT_EQ(call(lan(2), 2, "DeletePortMapping", key(5000)).error, 606);
  EXPECT_TRUE(gateway.engine.leads(udp_protocol, outside_at(5000), lan(2)));
}

TEST_F(IgdServerTest, WrongArguments) {
  const SoapArguments good = mapping(lan(2), 5000);
  struct {
    const char *name, *value;
    uint16_t first, second;
  } cases[] = {
      {"NewRemoteHost", "203.0.113.5", 726, 726},
      {"NewExternalPort", "0", 716, 716},
      {"NewExternalPort", "65536", 402, 402},
      {"NewExternalPort", "-1", 402, 402},
      {"NewExternalPort", "5000x", 402, 402},
      {"NewExternalPort", "", 402, 402},
      {"NewExternalPort", "1023", 718, 606},
      {"NewInternalPort", "0", 402, 732},
      {"NewInternalPort", "99999", 402, 402},
      {"NewProtocol", "SCTP", 402, 402},
      {"NewProtocol", "", 402, 402},
      {"NewInternalClient", "", 402, 402},
      {"NewInternalClient", "my-pc", 402, 402},
      {"NewInternalClient", "192.168.1.2:1", 402, 402},
      {"NewEnabled", "0", 501, 501},
      {"NewEnabled", "maybe", 402, 402},
      {"NewLeaseDuration", "-1", 402, 402},
      {"NewLeaseDuration", "4294967296", 402, 402},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(add(lan(2), with(good, c.name, c.value), 1), c.first) << c.name << "=" << c.value;
    EXPECT_EQ(add(lan(2), with(good, c.name, c.value), 2), c.second) << c.name << "=" << c.value;
  }
  for (size_t i = 0; i < good.size(); ++i) {
    SoapArguments fewer = good, twice = good;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    twice.push_back(good[i]);
    EXPECT_EQ(add(lan(2), fewer), 402) << "without " << good[i].name;
    EXPECT_EQ(add(lan(2), twice), 402) << "twice " << good[i].name;
  }
  EXPECT_TRUE(gateway.engine.forwards.empty());
  for (const char* index : {"", "-1", "x", "4294967296"})
    EXPECT_EQ(call(lan(2), 1, "GetGenericPortMappingEntry", {{"NewPortMappingIndex", index}}).error, 402) << index;
  EXPECT_EQ(call(lan(2), 1, "GetGenericPortMappingEntry", {{"NewPortMappingIndex", "4294967295"}}).error, 713);
}

TEST_F(IgdServerTest, LeasesLastAWeekAtMost) {
  struct {
    const char *asked, *given;
  } cases[] = {{"0", "604800"}, {"1", "1"}, {"604800", "604800"}, {"604801", "604800"}, {"4294967295", "604800"}};
  for (int version : {1, 2}) {
    for (const auto& c : cases) {
      EXPECT_EQ(add(lan(2), mapping(lan(2), 5000, "TCP", c.asked), version), 0);
      EXPECT_EQ(value(call(lan(2), version, "GetSpecificPortMappingEntry", key(5000, "TCP")), "NewLeaseDuration"),
                c.given);
    }
  }
  gateway.wait(604'800s);
  EXPECT_TRUE(gateway.engine.forwards.empty());
}

TEST_F(IgdServerTest, DescriptionsAreShortAndPlain) {
  SoapArguments odd = with(mapping(lan(2), 5000), "NewPortMappingDescription", std::string(500, 'x') + "\xc3\xa9<b>");
  EXPECT_EQ(add(lan(2), odd), 0);
  auto entry = call(lan(2), 1, "GetSpecificPortMappingEntry", key(5000));
  EXPECT_EQ(value(entry, "NewPortMappingDescription"), std::string(64, 'x'));
  add(lan(2), with(odd, "NewPortMappingDescription", "caf\xc3\xa9 <b>"));
  EXPECT_EQ(value(call(lan(2), 1, "GetSpecificPortMappingEntry", key(5000)), "NewPortMappingDescription"), "caf?? <b>");
}

TEST_F(IgdServerTest, AnyPort) {
  auto reserved = [&](const Address& from, uint16_t port) {
    return value(call(from, 2, "AddAnyPortMapping", mapping(from, port)), "NewReservedPort");
  };
  EXPECT_EQ(reserved(lan(2), 5000), "5000");
  EXPECT_EQ(reserved(lan(2), 5000), "5000") << "it has that already";
  EXPECT_EQ(reserved(lan(3), 5000), "40000") << "another's, so the inside port";
  EXPECT_NE(reserved(lan(4), 0), "0");
  EXPECT_NE(reserved(lan(4), 80), "80");
  EXPECT_NE(reserved(lan(2, 41000), 5000), "5000") << "of the same host, but another endpoint";
  EXPECT_EQ(call(lan(2), 2, "AddAnyPortMapping", mapping(lan(3), 5000)).error, 606);
}

SoapArguments ports(const char* first, const char* last, const char* manage = "0", const char* count = nullptr) {
  SoapArguments out{{"NewStartPort", first}, {"NewEndPort", last}, {"NewProtocol", "UDP"}, {"NewManage", manage}};
  if (count) out.push_back({"NewNumberOfPorts", count});
  return out;
}

TEST_F(IgdServerTest, Ranges) {
  for (uint16_t port : {5000, 5001, 5002}) add(lan(2), mapping(lan(2, port), port));
  add(lan(3), mapping(lan(3), 5003));
  auto listed = call(lan(2), 2, "GetListOfPortMappings", ports("5001", "9000", "0", "0"));
  auto listing = wire::parse_xml(as_bytes(value(listed, "NewPortListing")), wire::XmlBytes::strict);
  ASSERT_TRUE(listing);
  std::vector<std::string> found;
  for (const auto& element : *listing)
    if (element.name == "NewExternalPort") found.push_back(element.text);
  EXPECT_EQ(found, (std::vector<std::string>{"5001", "5002"})) << "one's own";
  EXPECT_EQ(call(lan(2), 2, "GetListOfPortMappings", ports("1", "10", "0", "0")).error, 730);
  EXPECT_EQ(call(lan(2), 2, "GetListOfPortMappings", ports("10", "1", "0", "0")).error, 733);
  EXPECT_EQ(call(lan(2), 2, "GetListOfPortMappings", ports("1", "65535", "1", "0")).error, 606);
  EXPECT_EQ(call(lan(2), 2, "DeletePortMappingRange", ports("5001", "9000")).error, 0);
  EXPECT_EQ(call(lan(2), 2, "DeletePortMappingRange", ports("5001", "9000")).error, 730);
  EXPECT_EQ(call(lan(2), 2, "DeletePortMappingRange", ports("9", "1")).error, 733);
  EXPECT_EQ(call(lan(2), 2, "DeletePortMappingRange", ports("1", "65535", "1")).error, 606);
  EXPECT_EQ(gateway.engine.forwards.size(), 2u);
}

TEST_F(IgdServerTest, QuotaAndTheLongestList) {
  for (uint16_t i = 0; i < 64; ++i) EXPECT_EQ(add(lan(2), mapping(lan(2), static_cast<uint16_t>(5000 + i))), 0);
  EXPECT_EQ(add(lan(2), mapping(lan(2), 6000), 1), 501);
  EXPECT_EQ(add(lan(2), mapping(lan(2), 6000), 2), 728);
  EXPECT_EQ(add(lan(3), mapping(lan(3), 6000), 1), 0);
  auto response = call(lan(2), 2, "GetListOfPortMappings", ports("1", "65535", "0", "0"));
  EXPECT_EQ(response.error, 0);
  EXPECT_LE(value(response, "NewPortListing").size(), wire::xml_size_max) << "clients can read it";
}

}  // namespace
}  // namespace ginnel::portmap
