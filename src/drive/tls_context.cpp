#include "drive/tls_context.hpp"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/ssl/context.hpp>
#include <stdexcept>

namespace ginnel {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

namespace {

constexpr long certificate_days = 3650;
constexpr unsigned char http_1_1[] = "\x08http/1.1";  // ALPN, RFC 7301 section 3.1: a length before each name

std::shared_ptr<ssl::context> make(ssl::context::method method) {
  auto context = std::make_shared<ssl::context>(method);
  SSL_CTX* raw = context->native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  // A box in between may be old. What would be too weak for a protection is good enough for a coat.
  SSL_CTX_set_security_level(raw, 1);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);  // most connections are idle
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  return context;
}

int choose_http_1_1(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned in_size,
                    void*) {
  int found = SSL_select_next_proto(const_cast<unsigned char**>(out), size, http_1_1, sizeof http_1_1 - 1, in, in_size);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

std::shared_ptr<ssl::context> make_server() {
  auto context = make(ssl::context::tls_server);
  SSL_CTX_set_alpn_select_cb(context->native_handle(), choose_http_1_1, nullptr);
  return context;
}

void must(bool done) {
  if (!done) throw std::runtime_error("OpenSSL cannot make a certificate");
}

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

/// RFC 5280 section 4.1, as little of it as a TLS client wants to see.
Certificate sign(const std::string& name, EVP_PKEY* key) {
  Certificate made(X509_new(), X509_free);
  X509* x = made.get();
  must(x && X509_set_version(x, X509_VERSION_3) == 1);
  must(ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1);
  must(X509_gmtime_adj(X509_getm_notBefore(x), -86400) &&
       X509_gmtime_adj(X509_getm_notAfter(x), certificate_days * 86400));
  X509_NAME* subject = X509_get_subject_name(x);
  std::string common = name.substr(0, 64);  // ub-common-name
  must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common.c_str()),
                                  -1, -1, 0) == 1);
  must(X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, key) == 1 && X509_sign(x, key, EVP_sha256()) > 0);
  return made;
}

}  // namespace

TlsContext TlsContext::client() {
  auto context = make(ssl::context::tls_client);
  context->set_verify_mode(ssl::verify_none);
  // RFC 7301; here zero means success.
  SSL_CTX_set_alpn_protos(context->native_handle(), http_1_1, sizeof http_1_1 - 1);
  return TlsContext(std::move(context));
}

TlsContext TlsContext::self_signed(const std::string& name) {
  auto context = make_server();
  Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);  // the kind that most servers have
  must(key != nullptr);
  Certificate certificate = sign(name, key.get());
  must(SSL_CTX_use_certificate(context->native_handle(), certificate.get()) == 1);
  must(SSL_CTX_use_PrivateKey(context->native_handle(), key.get()) == 1);
  return TlsContext(std::move(context));
}

Result<TlsContext> TlsContext::from_files(const std::string& certificate, const std::string& key) {
  auto context = make_server();
  error_code error;
  context->use_certificate_chain_file(certificate, error);
  if (error)
    return Error{Errc::usage,
                 "The certificate " + certificate + " cannot be used: " + error.message() + ". It must be a PEM file."};
  context->use_private_key_file(key, ssl::context::pem, error);
  // OpenSSL compares the two here.
  if (error)
    return Error{Errc::usage, "The key " + key + " cannot be used with that certificate: " + error.message() + "."};
  return TlsContext(std::move(context));
}

}  // namespace ginnel
