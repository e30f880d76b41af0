#include "lab/control.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>

#include "drive/unix_address.hpp"
#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

constexpr size_t kQuestionMax = 4096;
constexpr size_t kAnswerMax = 1 << 20;
constexpr timeval kPatience{.tv_sec = 60, .tv_usec = 0};  ///< a change may start programs

std::string prefix() { return "@ginnel-lab/" + std::to_string(::geteuid()) + "/"; }

Fd new_socket() {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw_errno("cannot make a socket");
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  return socket;
}

ucred other_end(int socket) {
  ucred out{};
  socklen_t size = sizeof out;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &out, &size) != 0) throw_errno("cannot tell who is there");
  return out;
}

void send_all(int socket, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = ::send(socket, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return;  // it went away
    at += static_cast<size_t>(n);
  }
}

/// Up to the end, or up to `end` if that comes first.
std::string receive(int socket, size_t max, char end) {
  std::string out;
  char chunk[4096];
  while (out.size() < max && (end == 0 || out.find(end) == std::string::npos)) {
    const ssize_t n = ::recv(socket, chunk, sizeof chunk, 0);
    if (n <= 0) break;
    out.append(chunk, static_cast<size_t>(n));
  }
  return out;
}

Error no_lab(const std::string& name) {
  const auto names = lab_names();
  std::string up;
  for (const auto& each : names) up += (up.empty() ? "" : ", ") + each;
  return {Errc::unreachable, "No lab \"" + name + "\" is up" +
                                 (up.empty() ? "; `ginnel lab up` starts one." : "; there is " + up + " (--name).")};
}

}  // namespace

bool is_lab_name(const std::string& name) {
  const auto good = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '.'; };
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), good);
}

Result<Fd> claim_name(const std::string& name) {
  Fd socket = new_socket();
  const auto address = UnixAddress::make(prefix() + name);
  if (::bind(socket.get(), address->data(), address->size) == 0) return socket;
  if (errno != EADDRINUSE) throw_errno("cannot take the name of the lab");
  return Error{Errc::in_use, "A lab \"" + name +
                                 "\" is up already: choose another --name, or end it with `ginnel lab down" +
                                 (name == kDefaultLab ? "`." : " --name " + name + "`.")};
}

void open_for_questions(const Fd& socket) {
  if (::listen(socket.get(), 16) != 0) throw_errno("cannot listen");
}

void answer_one(const Fd& socket, const std::function<std::string(const std::string&)>& answer) {
  const Fd asker(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!asker || other_end(asker.get()).uid != ::geteuid()) return;
  const timeval patience{.tv_sec = 1, .tv_usec = 0};  // who connects has its question ready
  ::setsockopt(asker.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const std::string question = receive(asker.get(), kQuestionMax, '\n');
  if (!question.ends_with('\n')) return;
  send_all(asker.get(), answer(question.substr(0, question.find('\n'))));
}

Result<LabAnswer> ask_lab(const std::string& name, const std::string& question) {
  if (!is_lab_name(name)) return no_lab(name);
  const Fd socket = new_socket();
  const auto address = UnixAddress::make(prefix() + name);
  if (::connect(socket.get(), address->data(), address->size) != 0) return no_lab(name);
  const ucred keeper = other_end(socket.get());
  if (keeper.uid != ::geteuid()) return no_lab(name);  // somebody took the name
  send_all(socket.get(), question + "\n");
  const std::string said = receive(socket.get(), kAnswerMax, 0);
  const size_t end = said.find('\n');
  if (end == std::string::npos) return Error{Errc::gone, "The lab \"" + name + "\" ended."};
  const std::string head = said.substr(0, end), rest = said.substr(end + 1);
  if (head != "good") return Error{static_cast<Errc>(std::atoi(head.c_str())), rest};
  return LabAnswer{rest, keeper.pid};
}

std::vector<std::string> lab_names() {
  std::set<std::string> out;
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    const size_t at = line.find(prefix());
    if (at != std::string::npos) out.insert(line.substr(at + prefix().size()));
  }
  return {out.begin(), out.end()};
}

std::string good_answer(const std::string& text) { return "good\n" + text; }

std::string bad_answer(Errc code, const std::string& sentence) {
  return std::to_string(static_cast<int>(code)) + "\n" + sentence;
}

}  // namespace ginnel::lab
