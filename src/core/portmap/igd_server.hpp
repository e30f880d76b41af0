// The gateway's answers to UPnP: documents and SOAP calls, one HTTP request in, one response out. Knows what each
// action may do and for whom; keeps no state of its own: that is in the book, which PCP and NAT-PMP share. Every host
// maps for itself only. WANIPConnection:1 and :2, WANCommonInterfaceConfig:1, Layer3Forwarding:1; UPnP Device
// Architecture 1.1 section 3.
#pragma once
#include "core/portmap/igd_documents.hpp"
#include "core/portmap/io.hpp"
#include "core/portmap/mapping_book.hpp"
#include "wire/igd.hpp"

namespace ginnel::portmap {

/// What went through the gateway's outside so far; only the lower 32 bits are ever told.
struct Traffic {
  uint64_t bytes_sent = 0, bytes_received = 0, packets_sent = 0, packets_received = 0;
};

class IgdServer {
 public:
  /// WANIPConnection:2, PortMappingLeaseDuration: a week at most, which is also what 0 means; here to :1 too, so that
  /// no mapping outlives the program that forgot it by more.
  static constexpr Duration lifetime_max = 604'800s;
  static constexpr size_t description_max = 64;
  static constexpr size_t listing_max = 64;  ///< entries of one GetListOfPortMappings

  IgdServer(MappingBook& book, IgdIdentity identity, Instant now);

  HttpResponse handle(Instant now, const HttpRequest& request);
  void set_traffic(const Traffic& traffic) { traffic_ = traffic; }

 private:
  /// A UPnP error code (0: none), or the values to answer with.
  struct Answer {
    uint16_t error = 0;
    wire::SoapArguments values = {};
    Answer(uint16_t code) : error(code) {}
    Answer(wire::SoapArguments v) : values(std::move(v)) {}
  };
  struct Call {
    Instant now;
    const Address& from;
    int version;
    const wire::SoapArguments& arguments;
    std::string_view operator[](std::string_view name) const { return wire::soap_value(arguments, name).value_or(""); }
  };
  struct Mapping;

  HttpResponse control(Instant now, const HttpRequest& request, const IgdEndpoint& endpoint);
  Answer perform(const Call& call, IgdKind kind, std::string_view action);
  Answer common(std::string_view action) const;
  Answer status(const Call& call, std::string_view action) const;
  Answer add(const Call& call, bool any_port);
  Answer remove(const Call& call);
  Answer remove_range(const Call& call);
  Answer generic(const Call& call) const;
  Answer specific(const Call& call) const;
  Answer list(const Call& call) const;
  uint16_t error_of(Refusal why, const Call& call, const Mapping& mapping) const;

  MappingBook& book_;
  IgdIdentity identity_;
  Instant started_;
  Traffic traffic_;
};

}  // namespace ginnel::portmap
