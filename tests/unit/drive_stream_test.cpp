#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <vector>

#include "drive/process_limits.hpp"
#include "drive/stream_listener.hpp"
#include "drive/stream_socket.hpp"

namespace ginnel {
namespace {

namespace ss = stream_socket;
const Address loopback = Address::v4(127, 0, 0, 1, 0);

bool ready(int fd, short what) {
  pollfd one{fd, what, 0};
  return ::poll(&one, 1, 5000) == 1;
}

ss::ReadResult read_when_ready(const Fd& fd, MutableBytes room) {
  EXPECT_TRUE(ready(fd.get(), POLLIN));
  return ss::read(fd.get(), room);
}

StreamListener must_open(Result<StreamListener> listener) {
  EXPECT_TRUE(listener) << listener.error().text;
  return std::move(*listener);
}

struct Ends {
  Fd client, service;
};

Ends connected(StreamListener& listener, Result<Fd> client) {
  EXPECT_TRUE(client) << client.error().text;
  EXPECT_TRUE(ready(client->get(), POLLOUT));
  EXPECT_FALSE(ss::connect_error(client->get(), "x"));
  EXPECT_TRUE(ready(listener.fd(), POLLIN));
  auto service = listener.accept();
  EXPECT_TRUE(service);
  return {std::move(*client), std::move(*service)};
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "ginnel-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

TEST(StreamSocket, finIsEofAndTheOtherWayStaysOpen) {
  auto listener = must_open(StreamListener::open(loopback));
  auto [client, service] = connected(listener, ss::connect(listener.local_address()));
  std::array<uint8_t, 16> room;
  EXPECT_TRUE(ss::read(service.get(), room).blocked);
  EXPECT_EQ(ss::write(client.get(), as_bytes("ask")).n, 3u);
  ss::shutdown_write(client.get());
  EXPECT_EQ(read_when_ready(service, room).n, 3u);
  EXPECT_TRUE(read_when_ready(service, room).eof);
  EXPECT_EQ(ss::write(service.get(), as_bytes("answer")).n, 6u);
  EXPECT_EQ(read_when_ready(client, room).n, 6u);
}

TEST(StreamSocket, rstIsResetAndNotEof) {
  auto listener = must_open(StreamListener::open(loopback));
  auto [client, service] = connected(listener, ss::connect(listener.local_address()));
  ss::abort(std::move(client));
  std::array<uint8_t, 16> room;
  auto result = read_when_ready(service, room);
  EXPECT_TRUE(result.reset);
  EXPECT_FALSE(result.eof);
  EXPECT_TRUE(ss::write(service.get(), as_bytes("x")).reset);
}

TEST(StreamSocket, fullIsBlocked) {
  auto listener = must_open(StreamListener::open(loopback));
  auto [client, service] = connected(listener, ss::connect(listener.local_address()));
  std::vector<uint8_t> bytes(1 << 20);
  ss::WriteResult result;
  for (int i = 0; i < 1000 && !result.blocked; i++) result = ss::write(client.get(), bytes);
  EXPECT_TRUE(result.blocked);
  EXPECT_EQ(result.n, 0u);
}

TEST(StreamSocket, refusalIsTold) {
  Address nobody = must_open(StreamListener::open(loopback)).local_address();  // closed again at once
  auto client = ss::connect(nobody);
  std::optional<Error> error;
  if (client) {
    EXPECT_TRUE(ready(client->get(), POLLOUT));
    error = ss::connect_error(client->get(), nobody.to_string());
  } else {
    error = client.error();
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::refused);
  EXPECT_NE(error->text.find(nobody.to_string()), std::string::npos);
}

TEST(StreamSocket, pipesWork) {
  ignore_sigpipe();
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
  Fd in(fds[0]), out(fds[1]);
  std::array<uint8_t, 16> room;
  EXPECT_EQ(ss::write(out.get(), as_bytes("abc")).n, 3u);
  EXPECT_EQ(ss::read(in.get(), room).n, 3u);
  EXPECT_TRUE(ss::read(in.get(), room).blocked);
  in.reset();
  EXPECT_TRUE(ss::write(out.get(), as_bytes("abc")).reset);
}

TEST(StreamListener, portInUseSaysSo) {
  auto first = must_open(StreamListener::open(loopback));
  auto second = StreamListener::open(first.local_address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::in_use);
  EXPECT_EQ(second.error().text, "TCP port " + std::to_string(first.local_address().port) +
                                     " on 127.0.0.1 is already in use. Choose another port, or stop the program that "
                                     "holds it.");
}

TEST(StreamListener, outOfFilesIsTold) {
  auto listener = must_open(StreamListener::open(loopback));
  auto client = ss::connect(listener.local_address());
  ASSERT_TRUE(client);
  ASSERT_TRUE(ready(listener.fd(), POLLIN));
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  bool accepted = listener.accept().has_value();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_FALSE(accepted);
  EXPECT_TRUE(listener.out_of_files());
  EXPECT_TRUE(listener.accept());
  EXPECT_FALSE(listener.out_of_files());
}

TEST(StreamListener, unixSocketIsPrivateAndRemovedAtTheEnd) {
  TemporaryDirectory directory;
  std::string path = directory / "s";
  {
    auto listener = must_open(StreamListener::open_unix(path));
    struct stat info;
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    auto [client, service] = connected(listener, ss::connect_unix(path));
    EXPECT_EQ(ss::write(client.get(), as_bytes("abc")).n, 3u);
    std::array<uint8_t, 16> room;
    EXPECT_EQ(read_when_ready(service, room).n, 3u);

    auto second = StreamListener::open_unix(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::in_use);

    StreamListener moved = std::move(listener);
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(ss::connect_unix(path).error().code, Errc::refused);
}

TEST(StreamListener, aDeadProgramsSocketFileIsReplacedButAFileIsNot) {
  TemporaryDirectory directory;
  std::string path = directory / "s";
  {
    auto dead = must_open(StreamListener::open_unix(path));
    std::filesystem::create_hard_link(path, directory / "kept");
  }
  std::filesystem::rename(directory / "kept", path);
  EXPECT_TRUE(StreamListener::open_unix(path));

  std::string file = directory / "file";
  std::fclose(std::fopen(file.c_str(), "w"));
  EXPECT_EQ(StreamListener::open_unix(file).error().code, Errc::in_use);
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST(ProcessLimits, openFilesReachTheHardLimit) {
  rlimit limit;
  uint64_t now = raise_open_files();
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(now, limit.rlim_cur);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
}

}  // namespace
}  // namespace ginnel
