// expat behind a function. Knows its callbacks and when to stop it; refuses to build anything while a bound is broken,
// so that a document costs at most a few times its own size. XML 1.0 sections 2.1 (well-formed), 2.8 (DOCTYPE).
#include "wire/xml.hpp"

#include <expat.h>

#include <memory>

#include "wire/url_text.hpp"

namespace ginnel::wire {

namespace {

struct Reading {
  XML_Parser parser;
  XmlElements elements;
  std::vector<size_t> open;  ///< indices of elements that have begun and not ended

  void stop() { XML_StopParser(parser, XML_FALSE); }
};

Reading& reading(void* user) { return *static_cast<Reading*>(user); }

void on_start(void* user, const XML_Char* name, const XML_Char**) {
  Reading& r = reading(user);
  if (r.open.size() == xml_depth_max || r.elements.size() == xml_elements_max) return r.stop();
  std::string_view local = name;
  local.remove_prefix(local.rfind(':') + 1);  // npos + 1 is 0
  r.elements.push_back({std::string(local), {}, r.open.size()});
  r.open.push_back(r.elements.size() - 1);
}

void on_end(void* user, const XML_Char*) {
  Reading& r = reading(user);
  if (r.open.empty()) return;  // after stop() one more call may come
  std::string& text = r.elements[r.open.back()].text;
  text = std::string(trim(text));
  r.open.pop_back();
}

void on_text(void* user, const XML_Char* text, int size) {
  Reading& r = reading(user);
  if (!r.open.empty()) r.elements[r.open.back()].text.append(text, static_cast<size_t>(size));
}

void on_doctype(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) { reading(user).stop(); }

/// Routers that print their documents leave line breaks before and zeros behind.
std::string_view without_frame(std::string_view text) {
  while (text.ends_with('\0')) text.remove_suffix(1);
  return trim(text);
}

}  // namespace

std::optional<XmlElements> parse_xml(Bytes document, XmlBytes bytes) {
  if (document.size() > xml_size_max) return {};
  std::string_view text = without_frame(as_text(document));
  std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser(
      XML_ParserCreate(bytes == XmlBytes::lenient ? "ISO-8859-1" : nullptr), &XML_ParserFree);
  if (!parser) return {};
  Reading r{parser.get(), {}, {}};
  XML_SetUserData(parser.get(), &r);
  XML_SetElementHandler(parser.get(), on_start, on_end);
  XML_SetCharacterDataHandler(parser.get(), on_text);
  XML_SetStartDoctypeDeclHandler(parser.get(), on_doctype);
  if (XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE) != XML_STATUS_OK) return {};
  return std::move(r.elements);
}

const XmlElement* xml_child(const XmlElements& elements, size_t parent, std::string_view name) {
  const XmlElement* found = nullptr;
  bool again = false;
  for_each_xml_child(elements, parent, [&](size_t i) {
    if (elements[i].name != name) return;
    again = found != nullptr;
    found = &elements[i];
  });
  return again ? nullptr : found;
}

std::string xml_escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

}  // namespace ginnel::wire
