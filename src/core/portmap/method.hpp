// The three protocols by which a host asks its gateway for a way in, the best first. No RFC.
#pragma once
#include <cstdint>
#include <string_view>

namespace ginnel::portmap {

enum class Method : uint8_t { pcp, nat_pmp, upnp };

constexpr std::string_view to_string(Method method) {
  return method == Method::pcp ? "pcp" : method == Method::nat_pmp ? "nat-pmp" : "upnp";
}

}  // namespace ginnel::portmap
