#include "calve/notify/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "calve/base/small_file.h"
#include "calve/http/http_connection.h"
#include "calve/http/http_url.h"

namespace calve::notify {
namespace {

constexpr const char* kSecretsRemedy = "Put what the server is to know into headers_file: Authorization: Bearer TOKEN.";

struct Place {
  http::HttpUrl url;
  std::string query;  // with its '?'
};

Result<Place> PlaceOf(const std::string& url) {
  const size_t question = url.find('?');
  Place place;
  ARROW_ASSIGN_OR_RAISE(place.url, http::ParseHttpUrl(url.substr(0, question), "the URL to notify", kSecretsRemedy));
  if (question != std::string::npos) place.query = url.substr(question);
  if (place.query.find_first_of(std::string_view(" \t\r\n\0", 5)) != std::string::npos) {
    return MakeError(ErrorKind::kConfig, "the URL to notify has a blank or a line end in it", "Write it as one word.");
  }
  return place;
}

Result<std::vector<std::string>> HeadersOf(const EndpointOptions& endpoint) {
  std::vector<std::string> headers = {"Content-Type: application/json", "User-Agent: calve/" CALVE_VERSION};
  headers.insert(headers.end(), endpoint.headers.begin(), endpoint.headers.end());
  if (endpoint.headers_file.empty()) return headers;
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadSmallFile(endpoint.headers_file, "the file of headers"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    if (line.find(':') == std::string::npos) {
      return MakeError(ErrorKind::kConfig, fmt::format("a line of {} is no header", endpoint.headers_file),
                       "Write one in each line: Name: value.");
    }
    headers.push_back(std::move(line));
  }
  return headers;
}

}  // namespace

Status CheckNotifyUrl(const std::string& url) { return PlaceOf(url).status(); }

Status Post(const EndpointOptions& endpoint, const std::string& body, const StopToken& stop) {
  std::string url = endpoint.url;
  if (!endpoint.url_file.empty()) {
    ARROW_ASSIGN_OR_RAISE(url, ReadSmallFile(endpoint.url_file, "the file with the URL"));
  }
  ARROW_ASSIGN_OR_RAISE(const Place place, PlaceOf(url));
  ARROW_ASSIGN_OR_RAISE(auto headers, HeadersOf(endpoint));
  http::HttpEndpoint server;
  server.origin = place.url.origin;
  server.is_loopback = place.url.is_loopback;
  server.ca_file = endpoint.ca_file;
  server.connect_timeout_ms = std::min<int64_t>(endpoint.timeout_ms, 10'000);
  server.idle_timeout_ms = endpoint.timeout_ms;
  server.remedies = {
      .certificate = "name the PEM file of the authority that signed it (ca_file), or correct the host name",
      .resolve = "check the host name in the URL",
      .tls = "check that this port speaks https",
      .connect = "check that it runs there and can be reached from here",
      .not_http = "check that this port speaks HTTP",
  };
  http::HttpRequest request;
  request.target =
      place.url.path + (endpoint.kind == EndpointKind::kAlertmanager ? "/api/v2/alerts" : "") + place.query;
  if (request.target.empty() || request.target.front() != '/') request.target.insert(0, "/");
  request.headers = std::move(headers);
  request.body = body;
  ARROW_ASSIGN_OR_RAISE(auto connection, http::HttpConnection::Make(server));
  ARROW_RETURN_NOT_OK(connection->Exchange(request, stop));
  const int status = connection->status();  // the answer's body is nobody's concern
  if (status >= 200 && status < 300) return Status::OK();
  const std::string said = fmt::format("{} answers with HTTP status {}", place.url.origin, status);
  if (status >= 500 || status == 429 || status == 408) return MakeError(ErrorKind::kRetry, said);
  if (status >= 300 && status < 400) {
    return MakeError(ErrorKind::kConfig, said, "Use the address that it points to: redirects are not followed.");
  }
  return MakeError(ErrorKind::kConfig, said, "Check its URL, and what it asks for in headers_file.");
}

}  // namespace calve::notify
