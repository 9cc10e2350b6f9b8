// What Azure's answers mean, and who calve is there. That requests are taken is tested on an emulator, in storage/.
#include "calve/objectstore/azure_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "calve/http/testing_http_server.h"
#include "calve/objectstore/base64.h"
#include "calve/objectstore/testing_text_files.h"

namespace calve::objectstore {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const ObjectName kName{"c@acc.dfs.core.windows.net", "a b/c", "abfss://c@acc.dfs.core.windows.net/a b/c"};

class AzureStoreTest : public ::testing::Test {
 protected:
  Environment TheEnvironment() {
    return [this](const std::string& name) { return variables_[name]; };
  }
  Result<AzureAccount> Account() {
    return ResolveAzureAccount("acc.dfs.core.windows.net", options_, TheEnvironment(), stop_, clock_);
  }
  std::unique_ptr<AzureStore> Store(const http::TestingHttpServer& server) {
    options_.endpoint = server.url("");
    options_.attempts_max = 3;
    return AzureStore::Make(options_, Account().ValueOrDie(), stop_, clock_).ValueOrDie();
  }
  StoreOptions options_;
  StopToken stop_;
  SystemClock clock_;
  std::map<std::string, std::string> variables_ = {{"AZURE_STORAGE_KEY", Base64Encoded("s3cret")}};
};

TEST_F(AzureStoreTest, TheTextThatASharedKeySigns) {
  StoreRequest request;
  request.method = "PUT";
  request.origin = "https://acc.blob.core.windows.net";
  request.target = "/c/a%20b?comp=block&blockid=YQ%3D%3D";
  request.body = arrow::Buffer::FromString("12345");
  EXPECT_EQ(AzureStringToSign(request,
                              {"x-ms-version: 2021-08-06", "Content-Type: text/plain", "If-None-Match: *",
                               "x-ms-date: Fri, 24 May 2013 00:00:00 GMT"},
                              "acc"),
            "PUT\n\n\n5\n\ntext/plain\n\n\n\n*\n\n\nx-ms-date:Fri, 24 May 2013 00:00:00 GMT\nx-ms-version:2021-08-06\n"
            "/acc/c/a%20b\nblockid:YQ==\ncomp:block");
}

TEST_F(AzureStoreTest, ErrorsSayWhatToDo) {
  struct Case {
    int status;
    std::string code;
    ErrorKind kind;
    std::string remedy;
  };
  for (const Case& c : {Case{404, "BlobNotFound", ErrorKind::kNotFound, ""},
                        Case{404, "ContainerNotFound", ErrorKind::kConfig, "Create the container"},
                        Case{403, "AuthenticationFailed", ErrorKind::kConfig, "clock"},
                        Case{403, "AuthorizationPermissionMismatch", ErrorKind::kConfig, "role"},
                        Case{400, "InvalidInput", ErrorKind::kFailed, ""}}) {
    http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
      answer.Whole(c.status,
                   "<?xml version=\"1.0\"?><Error><Code>" + c.code + "</Code><Message>why\nId</Message></Error>",
                   "x-ms-error-code: " + c.code + "\r\n");
    });
    const Status status = Store(server)->Get(kName).status();
    EXPECT_EQ(KindOf(status), c.kind) << status.ToString();
    EXPECT_THAT(RemedyOf(status), HasSubstr(c.remedy));
    EXPECT_THAT(status.ToString(), Not(HasSubstr("s3cret")));
    if (c.kind != ErrorKind::kNotFound) {
      EXPECT_THAT(MessageOf(status), HasSubstr(c.code + ": why"));
    }
  }
}

TEST_F(AzureStoreTest, ANewBlobsAnswers) {
  int requests = 0;
  auto put = [&](int status, const std::string& code) {
    std::atomic<int> seen{0};
    http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
      answer.Whole(++seen == 1 ? status : 201, "", code.empty() ? "" : "x-ms-error-code: " + code + "\r\n");
    });
    const Status done = Store(server)->Put(kName, arrow::Buffer::FromString("x"), {true, "id"});
    requests = seen;
    return done;
  };
  EXPECT_EQ(KindOf(put(409, "BlobAlreadyExists")), ErrorKind::kAlreadyExists);
  EXPECT_EQ(KindOf(put(412, "ConditionNotMet")), ErrorKind::kAlreadyExists);
  EXPECT_EQ(KindOf(put(500, "OperationTimedOut")), ErrorKind::kUnknownOutcome);
  EXPECT_TRUE(put(503, "ServerBusy").ok());
  EXPECT_EQ(requests, 2);
}

TEST_F(AzureStoreTest, ASignatureInTheUrlInPlaceOfAKey) {
  variables_ = {{"AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=a%2Fb"}};
  http::TestingHttpServer server(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, "bytes"); });
  ASSERT_TRUE(Store(server)->Get(kName).ok());
  EXPECT_EQ(server.seen()[0].target, "/c/a%20b/c?sv=1&sig=a%2Fb");
  EXPECT_EQ(server.seen()[0].headers.count("authorization"), 0u);
}

TEST_F(AzureStoreTest, AClientsSecretOrFederationOrTheMachine) {
  TextFiles files;
  http::TestingHttpServer entra([](const http::SeenRequest& request, http::HttpAnswer& answer) {
    if (request.target == "/tenant/oauth2/v2.0/token") {
      const bool federated = request.body.find("client_assertion=a-federated-token") != std::string::npos;
      answer.Whole(200, std::string("{\"access_token\":\"") + (federated ? "federated" : "of-the-secret") +
                            "\",\"expires_in\":3600}");
    } else if (request.target.starts_with("/metadata/identity/oauth2/token")) {
      answer.Whole(200, "{\"access_token\":\"of-the-machine\",\"expires_in\":\"3600\"}");
    } else {
      answer.Whole(200, request.headers.at("authorization"));
    }
  });
  variables_ = {{"AZURE_POD_IDENTITY_AUTHORITY_HOST", entra.url("")}, {"AZURE_AUTHORITY_HOST", entra.url("/")}};
  EXPECT_EQ(*Store(entra)->Get(kName), "Bearer of-the-machine");
  variables_["AZURE_TENANT_ID"] = "tenant";
  variables_["AZURE_CLIENT_ID"] = "client";
  variables_["AZURE_FEDERATED_TOKEN_FILE"] = files.Write("token", "a-federated-token\n");
  EXPECT_EQ(*Store(entra)->Get(kName), "Bearer federated");
  variables_["AZURE_CLIENT_SECRET"] = "s3cret";
  EXPECT_EQ(*Store(entra)->Get(kName), "Bearer of-the-secret");
}

TEST_F(AzureStoreTest, WhereTheAccountIs) {
  EXPECT_EQ(Account()->endpoint, "https://acc.blob.core.windows.net");
  EXPECT_EQ(Account()->name, "acc");
  variables_["AZURE_STORAGE_ACCOUNT"] = "another";
  EXPECT_TRUE(Account()->key.empty());
  EXPECT_NE(Account()->tokens, nullptr);
  variables_ = {{"AZURE_STORAGE_KEY", "no base64!"}};
  EXPECT_EQ(KindOf(Account().status()), ErrorKind::kConfig);
}

TEST_F(AzureStoreTest, FoldersOfAHierarchicalNamespaceAreNoFiles) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.Whole(
        200,
        "<?xml version=\"1.0\"?><EnumerationResults><Blobs><Blob><Name>t/data</Name><Properties><ResourceType>directory"
        "</ResourceType><Content-Length>0</Content-Length></Properties></Blob><Blob><Name>t/data/a</Name><Properties>"
        "<Last-Modified>Sun, 06 Nov 1994 08:49:37 "
        "GMT</Last-Modified><Content-Length>7</Content-Length></Properties></Blob>"
        "</Blobs><NextMarker>m</NextMarker></EnumerationResults>");
  });
  const auto page = Store(server)->List({kName.bucket, "t/", "abfss://…/t"}, false, "");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].key, "t/data/a");
  EXPECT_EQ(page->objects[0].mtime_ms, 784111777000);
  EXPECT_EQ(page->next, "m");
}

}  // namespace
}  // namespace calve::objectstore
