#include "app/state.hpp"

#include <algorithm>

#include "base/base32.hpp"
#include "drive/files.hpp"

namespace ginnel::app {

Result<State> State::open(const std::string& directory) {
  if (auto error = ensure_private_directory(directory)) return *error;
  return State(directory);
}

Result<crypto::Identity> State::identity(const std::string& role, Rng& rng) const {
  auto seed = secret(role + ".key", rng);
  if (!seed) return seed.error();
  return crypto::Identity(*seed);
}

Result<peer::ServiceSecret> State::service(const std::string& name, Rng& rng) const {
  bool plain = !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (!plain)
    return Error{Errc::usage, "A service's name is 1 to 64 letters, digits, dots, dashes or underscores; \"" + name + "\" is not."};
  return secret("service-" + name + ".key", rng);
}

Result<std::array<uint8_t, 32>> State::secret(const std::string& file, Rng& rng) const {
  std::string path = directory_ + "/" + file;
  if (!file_exists(path))  // of two processes that make it at once the first wins; both read back
    if (auto error = write_file(path, base32(rng.array<32>()) + "\n", 0600, Existing::keep)) return *error;
  auto text = read_secret_file(path);
  if (!text) return text.error();
  text->erase(std::find_if(text->begin(), text->end(), [](char c) { return c == '\n' || c == '\r'; }), text->end());
  auto raw = parse_base32(*text);
  if (!raw || raw->size() != 32)
    return Error{Errc::permission, "The key file " + path + " is damaged. Restore it, or remove it to get a new key."};
  std::array<uint8_t, 32> out;
  std::copy(raw->begin(), raw->end(), out.begin());
  return out;
}

}  // namespace ginnel::app
