// SSDP messages as text and values: who is there (M-SEARCH), here I am (NOTIFY, response). Knows the request line and
// the headers that matter; refuses to know devices. UPnP Device Architecture 1.1 section 1 (discovery), RFC 9112
// section 5 for the headers' form.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace ginnel::wire {

inline const Address ssdp_group = Address::v4(239, 255, 255, 250, 1900);
inline constexpr size_t ssdp_message_max = 1400;
inline constexpr size_t ssdp_headers_max = 32;
inline constexpr uint32_t ssdp_max_age_max = 86'400;  ///< larger ones are cut down

enum class SsdpKind : uint8_t { search, alive, byebye, response };

/// Views point into the datagram.
struct SsdpMessage {
  SsdpKind kind = SsdpKind::search;
  std::string_view target;    ///< ST of searches and responses, NT of notices; never empty
  std::string_view usn;       ///< of all but searches
  std::string_view location;  ///< of responses and alive
  uint32_t mx = 0;            ///< of searches: answer within so many seconds, 1 to 5; 0: not given
  uint32_t max_age = 0;       ///< seconds, of responses and alive
  bool operator==(const SsdpMessage&) const = default;
};

/// Nothing if it is anything else, lacks a header its kind must have, or repeats one of those above.
std::optional<SsdpMessage> parse_ssdp(Bytes datagram);

/// The text to send. `server`: "OS/version UPnP/1.1 product/version", of responses and alive. Give no field a line
/// break.
std::string ssdp_text(const SsdpMessage& message, std::string_view server = {});

}  // namespace ginnel::wire
