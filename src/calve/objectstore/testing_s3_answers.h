// A server that answers as S3 would, rightly or wrongly, and a store that talks to it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "calve/http/testing_http_server.h"
#include "calve/objectstore/s3_store.h"

namespace calve::objectstore {

// One key pair after another, as Renew asks for them.
class KeyRing : public AwsCredentialSource {
 public:
  explicit KeyRing(std::vector<http::AwsKeys> keys) : keys_(std::move(keys)) {}
  Result<AwsCredentials> Get() override { return AwsCredentials{keys_[at_], 0}; }
  Result<bool> Renew(const http::AwsKeys&) override {
    ++renewals;
    if (at_ + 1 == keys_.size()) return false;
    ++at_;
    return true;
  }
  int renewals = 0;

 private:
  const std::vector<http::AwsKeys> keys_;
  size_t at_ = 0;
};

inline std::string S3ErrorBody(const std::string& code, const std::string& more = "") {
  return "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>why " + code + "</Message>" + more +
         "</Error>";
}

// Answers one after the other; the last one again and again.
class S3Answers {
 public:
  using Answer = std::function<void(const http::SeenRequest&, http::HttpAnswer&)>;

  explicit S3Answers(std::vector<Answer> answers) : answers_(std::move(answers)) {
    options.endpoint = server_.url("");
    options.idle_timeout_micros = 2'000'000;
  }

  // With `options` as they are now.
  S3Store& store() {
    if (!store_) {
      const AwsPlace place{options.region.empty() ? "us-east-1" : options.region, options.endpoint, options.ca_file};
      store_ = S3Store::Make(options, place, keys, stop, clock_).ValueOrDie();
    }
    return *store_;
  }
  std::vector<http::SeenRequest> seen() const { return server_.seen(); }
  int port() const { return server_.port(); }

  static Answer Says(int status, const std::string& body = "", const std::string& headers = "") {
    return [=](const http::SeenRequest& request, http::HttpAnswer& answer) {
      answer.Whole(status, request.method == "HEAD" ? "" : body, headers);
    };
  }
  static Answer Fails(int status, const std::string& code) {
    return Says(status, S3ErrorBody(code), "Content-Type: application/xml\r\n");
  }
  static Answer Cut() {
    return [](const http::SeenRequest&, http::HttpAnswer& answer) {
      answer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
      answer.Close();
    };
  }
  static Answer Reset() {
    return [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Reset(); };
  }
  static Answer Silence() {
    return [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.WaitForClientToGo(); };
  }

  StoreOptions options;
  StopToken stop;
  std::shared_ptr<KeyRing> keys = std::make_shared<KeyRing>(std::vector<http::AwsKeys>{{"AKID", "s3cret", ""}});

 private:
  void Respond(const http::SeenRequest& request, http::HttpAnswer& answer) {
    const size_t index = next_++;
    answers_[std::min(index, answers_.size() - 1)](request, answer);
  }

  const std::vector<Answer> answers_;
  std::atomic<size_t> next_{0};
  SystemClock clock_;
  std::unique_ptr<S3Store> store_;
  http::TestingHttpServer server_{[this](const auto& request, auto& answer) { Respond(request, answer); }};
};

}  // namespace calve::objectstore
