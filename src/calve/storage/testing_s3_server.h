// S3 servers for tests: versitygw, whose objects are plain files, and MinIO. See http/testing_server_process.h for how
// suites that use them are named and run.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>

#include "calve/base/testing_temp_dir.h"
#include "calve/http/testing_server_process.h"

namespace calve::storage {

class S3Server {
 public:
  static constexpr const char* kAccessKey = "calve-access-key";
  static constexpr const char* kSecretKey = "an-s3-secret-key-that-nobody-may-see";
  static constexpr const char* kRegion = "us-east-1";

  // This program's servers, running. Null where they are not installed: with CALVE_STRICT=1 that is an exception.
  static S3Server* Versitygw() {
    static std::unique_ptr<S3Server> server = MakeVersitygw();
    return server.get();
  }
  static S3Server* Minio() {
    static std::unique_ptr<S3Server> server = MakeMinio();
    return server.get();
  }
  // One that a case may stop and start as it likes.
  static std::unique_ptr<S3Server> MakeVersitygw() { return Make(false); }
  static std::unique_ptr<S3Server> MakeMinio() { return Make(true); }

  std::string endpoint() const { return fmt::format("http://127.0.0.1:{}", process_->port()); }
  // Of versitygw: BUCKET/KEY below it is the object.
  std::string folder() const { return folder_.path() + "/data"; }
  http::ServerProcess& process() { return *process_; }

  // The name of a new, empty bucket: for both servers a folder is one.
  std::string NewBucket() {
    const std::string name = fmt::format("bucket-{}-{}", getpid(), ++buckets_);
    std::filesystem::create_directory(folder() + "/" + name);
    return name;
  }

 private:
  S3Server() = default;

  static std::unique_ptr<S3Server> Make(bool minio) {
    auto program = http::InstalledServer(minio ? "bin/minio" : "bin/versitygw");
    if (!program) return nullptr;
    std::unique_ptr<S3Server> server(new S3Server);
    std::filesystem::create_directories(server->folder());
    http::ServerProcess::Command command;
    command.port = http::FreePort();
    const std::string address = fmt::format("127.0.0.1:{}", command.port);
    std::string healthy;
    if (minio) {
      command.words = {program->string(), "server", "--quiet", "--anonymous", "--address", address, server->folder()};
      command.environment = {fmt::format("MINIO_ROOT_USER={}", kAccessKey),
                             fmt::format("MINIO_ROOT_PASSWORD={}", kSecretKey),
                             "MINIO_BROWSER=off",
                             "MINIO_UPDATE=off",
                             "MINIO_CI_CD=1",
                             "HOME=" + server->folder_.path()};
      healthy = "/minio/health/ready";
    } else {
      // Metadata of objects in files of their own: not every file system in memory has extended attributes.
      const std::string meta = server->folder_.path() + "/meta";
      std::filesystem::create_directories(meta);
      command.words = {program->string(), "--port",  address, "--region",  kRegion, "--quiet",
                       "--health",        "/health", "posix", "--sidecar", meta,    server->folder()};
      command.environment = {fmt::format("ROOT_ACCESS_KEY={}", kAccessKey),
                             fmt::format("ROOT_SECRET_KEY={}", kSecretKey)};
      healthy = "/health";
    }
    command.ready = [port = command.port, healthy] { return http::StatusOf(port, healthy) == 200; };
    server->process_ = std::make_unique<http::ServerProcess>(server->folder_.path(), std::move(command));
    server->process_->Start();
    return server;
  }

  TempDir folder_;
  std::unique_ptr<http::ServerProcess> process_;
  int buckets_ = 0;
};

}  // namespace calve::storage
