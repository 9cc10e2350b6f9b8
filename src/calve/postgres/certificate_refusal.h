// Why a server's certificate was not believed: libpq says no more than "certificate verify failed".
#pragma once

#include <chrono>
#include <string>

namespace calve::postgres {

struct CertificateRefusal {
  std::string reason;  // "the server's certificate (CN=db) has expired, on Nov 28 …"; empty: it could not be found out
  std::string remedy;
};

// Asks the server for its certificate once more and looks at it by the authorities that the URI names. Nothing is
// believed of the server and nothing is told to it: the connection ends before anybody says who he is.
CertificateRefusal ExplainRefusal(const std::string& uri, std::chrono::steady_clock::time_point deadline);

}  // namespace calve::postgres
