#include "calve/postgres/certificate_refusal.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <cstdlib>
#include <memory>

#include "calve/postgres/await.h"

namespace calve::postgres {
namespace {

template <auto Free>
struct FreeBy {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Certificate = std::unique_ptr<X509, FreeBy<X509_free>>;
using Store = std::unique_ptr<X509_STORE, FreeBy<X509_STORE_free>>;
using Verification = std::unique_ptr<X509_STORE_CTX, FreeBy<X509_STORE_CTX_free>>;
using PgConnection = std::unique_ptr<PGconn, FreeBy<PQfinish>>;

std::string Printed(BIO* bio) {
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio, &text);
  return std::string(text, length > 0 ? static_cast<size_t>(length) : 0);
}

template <typename Body>
std::string Print(Body print) {
  std::unique_ptr<BIO, FreeBy<BIO_free>> bio(BIO_new(BIO_s_mem()));
  return bio && print(bio.get()) ? Printed(bio.get()) : "?";
}

std::string NameOf(const X509_NAME* name) {
  return Print(
      [&](BIO* bio) { return X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0; });
}

std::string TimeOf(const ASN1_TIME* time) {
  return Print([&](BIO* bio) { return ASN1_TIME_print(bio, time) == 1; });
}

// Connected as far as TLS goes; null where it does not come to that.
PgConnection Greet(const std::string& uri, std::chrono::steady_clock::time_point deadline) {
  // Of a keyword that comes twice the later value counts. `require` without a file of authorities verifies nothing.
  const char* keywords[] = {"dbname", "sslmode", "sslrootcert", "gssencmode", nullptr};
  const char* values[] = {uri.c_str(), "require", "/nonexistent/authorities", "disable", nullptr};
  PgConnection connection(PQconnectStartParams(keywords, values, /*expand_dbname=*/1));
  if (!connection || PQstatus(connection.get()) == CONNECTION_BAD) return nullptr;
  PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
  while (wants == PGRES_POLLING_READING || wants == PGRES_POLLING_WRITING) {
    // Before the start packet, which names the user.
    if (PQsslInUse(connection.get()) != 0 && PQstatus(connection.get()) == CONNECTION_MADE) return connection;
    const short events = wants == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (Await(PQsocket(connection.get()), events, deadline) == 0) return nullptr;
    wants = PQconnectPoll(connection.get());
  }
  return nullptr;
}

// The file of authorities that libpq takes for the URI.
std::string AuthoritiesOf(const std::string& uri) {
  std::unique_ptr<PQconninfoOption, FreeBy<PQconninfoFree>> options(PQconninfoParse(uri.c_str(), nullptr));
  for (PQconninfoOption* option = options.get(); option && option->keyword; ++option) {
    if (std::string_view(option->keyword) == "sslrootcert" && option->val) return option->val;
  }
  for (const auto& [variable, rest] : {std::pair("PGSSLROOTCERT", ""), std::pair("HOME", "/.postgresql/root.crt")}) {
    if (const char* value = std::getenv(variable); value && *value) return std::string(value) + rest;
  }
  return "";
}

CertificateRefusal Explain(int error, const X509* certificate, const std::string& whose,
                           const std::string& authorities) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {fmt::format("{} has expired, on {}", whose, TimeOf(X509_get0_notAfter(certificate))),
              "Have the server given a new one (its ssl_cert_file), or correct this machine's clock."};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {fmt::format("{} is not valid before {}", whose, TimeOf(X509_get0_notBefore(certificate))),
              "Correct this machine's clock."};
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return {fmt::format("{} is signed by {}, which is not among the authorities in {}", whose,
                          NameOf(X509_get_issuer_name(certificate)), authorities),
              "Name the file of the authority that signed the server's certificate in the URI, "
              "sslrootcert=/path/ca.pem; if "
              "there is none, somebody else may be answering."};
    default:
      return {
          fmt::format("{} is refused: {}", whose, X509_verify_cert_error_string(error)),
          "Have the server given a certificate that its clients can verify, or name its authority with sslrootcert."};
  }
}

}  // namespace

CertificateRefusal ExplainRefusal(const std::string& uri, std::chrono::steady_clock::time_point deadline) {
  PgConnection connection = Greet(uri, deadline);
  auto* tls = connection ? static_cast<SSL*>(PQsslStruct(connection.get(), "OpenSSL")) : nullptr;
  Certificate leaf(tls ? SSL_get1_peer_certificate(tls) : nullptr);
  const std::string authorities = AuthoritiesOf(uri);
  Store store(X509_STORE_new());
  Verification verification(X509_STORE_CTX_new());
  if (!leaf || !store || !verification || X509_STORE_load_file(store.get(), authorities.c_str()) != 1 ||
      X509_STORE_CTX_init(verification.get(), store.get(), leaf.get(), SSL_get_peer_cert_chain(tls)) != 1 ||
      X509_verify_cert(verification.get()) == 1) {
    return {};
  }
  const X509* at_fault = X509_STORE_CTX_get_current_cert(verification.get());
  if (!at_fault) at_fault = leaf.get();
  const bool is_leaf = X509_cmp(at_fault, leaf.get()) == 0;
  return Explain(X509_STORE_CTX_get_error(verification.get()), at_fault,
                 fmt::format("the {} ({})", is_leaf ? "server's certificate" : "certificate above the server's",
                             NameOf(X509_get_subject_name(at_fault))),
                 authorities);
}

}  // namespace calve::postgres
