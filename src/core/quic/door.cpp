#include "core/quic/door.hpp"

#include <netinet/in.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <cstring>

#include "core/quic/callbacks.hpp"

namespace ginnel::quic {

namespace {

constexpr Duration token_lifetime = 10s;

sockaddr_in6 to_sockaddr(const Address& a) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(a.port);
  std::memcpy(out.sin6_addr.s6_addr + (a.v6 ? 0 : 12), a.ip.data(), a.v6 ? 16 : 4);
  return out;
}
uint64_t to_ts(Instant now) { return static_cast<uint64_t>(now.time_since_epoch().count()); }

}  // namespace

std::optional<PacketInfo> look_at(Bytes packet) {
  ngtcp2_version_cid v;
  if (ngtcp2_pkt_decode_version_cid(&v, packet.data(), packet.size(), connection_id_size) != 0) return {};
  PacketInfo info;
  info.long_header = v.version != 0;
  if (info.long_header && v.version != NGTCP2_PROTO_VER_V1) return {};
  info.initial = info.long_header && (packet[0] & 0x30) == 0;  // RFC 9000 section 17.2.2
  info.connection_id = {v.dcid, v.dcidlen};
  if (v.dcidlen == connection_id_size) info.tag = Reader({v.dcid, v.dcidlen}).u32();
  return info;
}

Door::Door(const crypto::Identity& self)
    : reset_secret_(self.derive("stateless reset")), token_secret_(self.derive("retry token")) {}

std::optional<Bytes> Door::retry(Instant now, Bytes initial, const Address& from, Rng& rng, MutableBytes room) const {
  ngtcp2_pkt_hd header;
  if (initial.size() < 1200 || ngtcp2_accept(&header, initial.data(), initial.size()) != 0) return {};
  ngtcp2_cid scid = make_connection_id(static_cast<Tag>(rng.u64()), rng);
  sockaddr_in6 remote = to_sockaddr(from);
  std::array<uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2> token;
  auto token_size = ngtcp2_crypto_generate_retry_token2(token.data(), token_secret_.data(), token_secret_.size(),
                                                        header.version, reinterpret_cast<ngtcp2_sockaddr*>(&remote),
                                                        sizeof remote, &scid, &header.dcid, to_ts(now));
  if (token_size < 0) return {};
  auto n = ngtcp2_crypto_write_retry(room.data(), room.size(), header.version, &header.scid, &scid, &header.dcid,
                                     token.data(), static_cast<size_t>(token_size));
  if (n <= 0) return {};
  return room.first(static_cast<size_t>(n));
}

std::optional<Session::Retried> Door::check_token(Instant now, Bytes initial, const Address& from) const {
  ngtcp2_pkt_hd header;
  if (ngtcp2_accept(&header, initial.data(), initial.size()) != 0 || header.tokenlen == 0) return {};
  sockaddr_in6 remote = to_sockaddr(from);
  ngtcp2_cid original;
  if (ngtcp2_crypto_verify_retry_token2(&original, header.token, header.tokenlen, token_secret_.data(),
                                        token_secret_.size(), header.version,
                                        reinterpret_cast<ngtcp2_sockaddr*>(&remote), sizeof remote, &header.dcid,
                                        static_cast<uint64_t>(token_lifetime.count()), to_ts(now)) != 0)
    return {};
  Session::Retried out{};
  out.original_dcid_size = original.datalen;
  std::copy_n(original.data, original.datalen, out.original_dcid.begin());
  return out;
}

std::optional<Bytes> Door::reset(Bytes packet, Rng& rng, MutableBytes room) const {
  // RFC 9000 section 10.3: smaller than its cause, so that two endpoints cannot answer each other for ever.
  constexpr size_t size_min = 5 + NGTCP2_STATELESS_RESET_TOKENLEN;
  if (packet.size() <= size_min) return {};
  auto info = look_at(packet);
  if (!info || info->long_header) return {};
  auto token = reset_token(reset_secret_, packet.subspan(1, connection_id_size));
  auto random = rng.array<24>();
  auto n = ngtcp2_pkt_write_stateless_reset(room.data(), std::min(room.size(), packet.size() - 1), token.data(),
                                            random.data(), random.size());
  if (n <= 0) return {};
  return room.first(static_cast<size_t>(n));
}

}  // namespace ginnel::quic
