// SPDX-License-Identifier: Apache-2.0
#include "device-manager/dra/metadata_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/json/parse.hpp>
#include <filesystem>

#include "core/fd.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::dra {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Metadata : public ::testing::Test {
 protected:
  Metadata() {
    record_.devices = {{.request = "main", .pool = "n1/p", .device = "vf-0", .id = "0000:01:10.0"},
                       {.request = "main", .pool = "n1/p", .device = "vf-1", .id = "0000:01:10.1"},
                       {.request = "up", .pool = "n1/p", .device = "vf-2", .id = "0000:01:10.2"}};
    record_.devices[2].subrequest = "fast";
    record_.devices[0].attributes = {
        {"resource.kubernetes.io/pciBusID", boost::json::object{{"string", "0000:01:10.0"}}}};
  }
  std::string path(const std::string& request) const {
    return directory_.path() + "/metadata/1/" + request + "/metadata.json";
  }
  std::string read(const std::string& request) const { return read_file(path(request)).value_or(""); }
  /// The newest version's object, as a container that knows it reads the file.
  boost::json::value first(const std::string& request) const {
    const std::string bytes = read(request);
    return boost::json::parse(bytes.substr(0, bytes.find('\n')));
  }
  static ino_t inode(const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
  }

  test::PrivateDirectory directory_;
  MetadataFiles files_{"barewire.io", directory_.path() + "/metadata", MetadataFiles::Wanted::yes};
  state::ClaimRecord record_{.uid = "1", .name_space = "default", .name = "net"};
  const boost::json::object eth_{{"interfaceName", "net1"}, {"ips", boost::json::array{"192.0.2.7/24"}}};
};

TEST_F(Metadata, IsAFileForEachRequestInEachVersion) {
  files_.make(record_);
  EXPECT_THAT(read("main"), StartsWith(R"({"apiVersion":"metadata.resource.k8s.io/v1beta1","kind":"DeviceMetadata",)"
                                       R"("metadata":{"name":"net","namespace":"default","uid":"1","generation":1},)"
                                       R"("requests":[{"name":"main","devices":[{"driver":"barewire.io",)"
                                       R"("pool":"n1/p","name":"vf-0","attributes":{"resource.kubernetes.io/pciBusID":)"
                                       R"({"string":"0000:01:10.0"}}},{"driver":"barewire.io","pool":"n1/p",)"
                                       R"("name":"vf-1"}]}]})"));
  EXPECT_THAT(read("main"), HasSubstr("\n{\"apiVersion\":\"metadata.resource.k8s.io/v1alpha1\""));
  EXPECT_EQ(first("up").at("requests").at(0).at("name"), "up/fast");
  files_.remove(record_);
  EXPECT_EQ(read("main") + read("up"), "");
  EXPECT_NO_THROW(files_.remove(record_));
}

TEST_F(Metadata, TellsOfTheNetworkInTheSameFileWithAHigherGeneration) {
  files_.make(record_);
  const ino_t before = inode(path("main"));
  const std::string other = read("up");
  files_.tell(record_, {{}, eth_, {}});
  EXPECT_EQ(inode(path("main")), before) << "a container has it mounted";
  EXPECT_EQ(first("main").at("metadata").at("generation"), 2);
  EXPECT_EQ(first("main").at("requests").at(0).at("devices").at(1).at("networkData").at("interfaceName"), "net1");
  EXPECT_EQ(read("up"), other);
  const std::string told = read("main");
  files_.tell(record_, {{}, eth_, {}});
  files_.make(record_);  // kubelet asks again: what is known of the network stays
  EXPECT_EQ(read("main"), told);
  files_.tell(record_, {});
  EXPECT_EQ(read("main").size(), told.size()) << "never shorter, while somebody reads";
  EXPECT_EQ(first("main").at("metadata").at("generation"), 3);
  EXPECT_FALSE(first("main").at("requests").at(0).at("devices").at(1).as_object().contains("networkData"));
  const std::string quiet = read("main");
  files_.tell(record_, {});
  EXPECT_EQ(read("main"), quiet);
}

TEST_F(Metadata, ThatIsHalfWrittenIsWrittenAnew) {
  for (const char* half : {"", "{", "[1]", "{\"metadata\":7}", "\xff"}) {
    directory_.write("metadata/1/main/metadata.json", half);
    files_.tell(record_, {{}, eth_, {}});
    EXPECT_EQ(first("main").at("metadata").at("generation"), 1) << half;
  }
}

TEST_F(Metadata, IsMountedOnceForEachRequestWhereContainersLook) {
  const auto mount = files_.mount_of(record_, 0);
  ASSERT_TRUE(mount);
  EXPECT_EQ(mount->at("hostPath").as_string(), path("main").c_str());
  EXPECT_EQ(mount->at("containerPath"),
            "/var/run/kubernetes.io/dra-device-attributes/resourceclaims/net/main/barewire.io-metadata.json");
  EXPECT_FALSE(files_.mount_of(record_, 1));
  record_.pod_claim = "fast";
  EXPECT_EQ(files_.mount_of(record_, 2)->at("containerPath"),
            "/var/run/kubernetes.io/dra-device-attributes/resourceclaimtemplates/fast/up/barewire.io-metadata.json");
}

TEST_F(Metadata, IsNotMadeWhereNobodyWantsItNorForANameThatLeadsElsewhere) {
  const MetadataFiles none("barewire.io", directory_.path() + "/metadata", MetadataFiles::Wanted::no);
  none.make(record_);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/metadata"));
  EXPECT_FALSE(none.mount_of(record_, 0));
  record_.devices[0].request = "../up";
  EXPECT_THROW(files_.make(record_), Error);
}

/// The daemon was started anew without them.
TEST_F(Metadata, IsRemovedAlsoWhereNobodyWantsItAnyMore) {
  files_.make(record_);
  ASSERT_TRUE(std::filesystem::exists(path("main")));
  const MetadataFiles none("barewire.io", directory_.path() + "/metadata", MetadataFiles::Wanted::no);
  auto outside = record_;
  outside.uid = "..";
  none.remove(outside);
  EXPECT_TRUE(std::filesystem::exists(path("main")));
  none.remove(record_);
  EXPECT_FALSE(std::filesystem::exists(path("main")));
  EXPECT_THROW(files_.make(outside), Error);
}

}  // namespace
}  // namespace barewire::dra
