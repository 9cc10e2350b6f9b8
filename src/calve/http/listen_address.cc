#include "calve/http/listen_address.h"

#include <fmt/format.h>

#include <charconv>

namespace calve::http {

bool ListenAddress::IsLoopback() const { return host.starts_with("127.") || host == "::1" || host == "localhost"; }

std::string ListenAddress::ToString() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Result<ListenAddress> ParseListenAddress(std::string_view text) {
  const auto wrong = [&] {
    return MakeError(ErrorKind::kConfig, fmt::format("'{}' is no address to listen at", text),
                     "Write HOST:PORT: 127.0.0.1:9765, [::1]:9765, 0.0.0.0:9765; port 0 is any that is free.");
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return wrong();
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();
  }
  ListenAddress address{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (host.empty() || port.empty() || error != std::errc() || end != port.data() + port.size()) return wrong();
  if (address.port < 0 || address.port > 65'535 || host.find_first_of(" \t\r\n/@[]") != std::string_view::npos) {
    return wrong();
  }
  return address;
}

}  // namespace calve::http
