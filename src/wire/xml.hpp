// A small XML document as a flat list of elements, and text made safe to stand in one. Knows bounds before anything
// else; refuses DTDs (so there are no entities to expand and nothing to fetch), depth, and attributes' meaning. The
// only door to expat; docs/decisions/007 says why it. XML 1.0.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace ginnel::wire {

inline constexpr size_t xml_size_max = 64 * 1024;
inline constexpr size_t xml_depth_max = 16;
inline constexpr size_t xml_elements_max = 2048;

struct XmlElement {
  std::string name;  ///< without the namespace's prefix
  std::string text;  ///< its own, without that of elements inside, trimmed
  size_t depth = 0;  ///< of the root: 0
  bool operator==(const XmlElement&) const = default;
};

/// Elements in the order in which they begin: those inside elements[i] follow it and are deeper.
using XmlElements = std::vector<XmlElement>;

enum class XmlBytes {
  strict,   ///< must be well-formed UTF-8, or what the document says it is
  lenient,  ///< each byte is a character: a router's name may be in any encoding, what we read of it is ASCII
};

/// Nothing if it is not well formed, too large, too deep, of too many elements, or has a DOCTYPE.
std::optional<XmlElements> parse_xml(Bytes document, XmlBytes bytes);

/// The one child of elements[parent] with this name, or nullptr if there is none or more than one.
const XmlElement* xml_child(const XmlElements& elements, size_t parent, std::string_view name);
/// Calls `f(index)` for each child of elements[parent].
template <typename F>
void for_each_xml_child(const XmlElements& elements, size_t parent, F f) {
  for (size_t i = parent + 1; i < elements.size() && elements[i].depth > elements[parent].depth; ++i)
    if (elements[i].depth == elements[parent].depth + 1) f(i);
}

/// `text` as it may stand in an element or attribute; control characters become spaces.
std::string xml_escaped(std::string_view text);

}  // namespace ginnel::wire
