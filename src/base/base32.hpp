// RFC 4648 section 6 base32, lower case, no padding: the alphabet survives double-click, phone and lower-casing.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace ginnel {

std::string base32(Bytes bytes);
/// Upper case is accepted; a wrong character, length or non-zero trailing bits are not.
std::optional<std::vector<uint8_t>> parse_base32(std::string_view text);

}  // namespace ginnel
