#include "drive/entropy.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace ginnel {

namespace {

void fill_from_kernel(MutableBytes out) {
  while (!out.empty()) {
    ssize_t n = ::getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw std::system_error(errno, std::system_category(), "getrandom");
    out = out.subspan(static_cast<size_t>(n));
  }
}

}  // namespace

Entropy::~Entropy() { ::explicit_bzero(pool_.data(), pool_.size()); }

void Entropy::fill(MutableBytes out) {
  if (out.size() > pool_.size() - used_) {
    if (out.size() >= pool_.size() / 2) return fill_from_kernel(out);
    fill_from_kernel(pool_);
    used_ = 0;
  }
  std::memcpy(out.data(), pool_.data() + used_, out.size());
  ::explicit_bzero(pool_.data() + used_, out.size());
  used_ += out.size();
}

}  // namespace ginnel
