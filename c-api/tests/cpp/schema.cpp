// Schemas in C++: a peer with another unit gets the differences, a newer version reads, values are checked. Replies
// and journal records also have schemas.
#include <linkspan.hpp>

#include <cstdio>
#include <cstdlib>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

const std::string watts = "name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"W\"\n";
const std::string kilowatts = "name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"kW\"\n";
const std::string newer = watts + "[fields.phase]\ntype = \"u8\"\ndefault = 1\n";

linkspan::options with(const std::string &schema) {
    linkspan::options o;
    o.schema = schema;
    o.validate = "both";
    return o;
}

bool error_has(const std::exception &e, const char *text) { return std::string(e.what()).find(text) != std::string::npos; }

void on(const std::string &endpoint) {
    linkspan::publisher out(endpoint, with(watts));
    out.send(linkspan::message().put("watts", 230.5));
    try {
        out.send(linkspan::message().put("watts", "much"));
        CHECK(!"it was sent");
    } catch (const linkspan::wrong_type &e) {
        CHECK(e.path() == "watts" && error_has(e, "f64 in W is expected"));
    }
    try {
        linkspan::subscriber(endpoint, with(kilowatts)).recv(20s);
        CHECK(!"it was received");
    } catch (const linkspan::schema_mismatch &e) {
        CHECK(e.code() == LINKSPAN_SCHEMA_MISMATCH && error_has(e, "watts: the unit is W there and kW here"));
    }
    CHECK(linkspan::names().get<std::string>("0/endpoint").find(':') != std::string::npos);
    CHECK(linkspan::schema(endpoint).get<std::string>("type/fields/0/type/unit") == "W");
    CHECK(linkspan::subscriber(endpoint, with(newer)).recv(20s).get<double>("watts") == 230.5);
}

void replies() {
    const std::string level = "name = \"tank\"\n[fields.level]\ntype = \"f64\"\nunit = \"m\"\n";
    linkspan::options o = with(watts);
    o.reply_schema = level;
    auto server = linkspan::server("unix:test/tank", o);
    CHECK(linkspan::reply_schema("unix:test/tank").get<std::string>("type/fields/0/type/unit") == "m");
    o.reply_schema = "name = \"tank\"\n[fields.level]\ntype = \"f64\"\nunit = \"cm\"\n";
    try {
        linkspan::channel::connect("unix:test/tank", o, 20s);
        CHECK(!"it connected");
    } catch (const linkspan::schema_mismatch &e) {
        CHECK(error_has(e, "the unit is m there and cm here"));
    }
}

/// A refused client has no channel, so the listener reports it.
void listeners() {
    const linkspan::listener listener("unix:test/power", with(watts));
    CHECK(listener.events().count() == 0);
    try {
        linkspan::channel::connect("unix:test/power", with(kilowatts), 20s);
        CHECK(!"it connected");
    } catch (const linkspan::schema_mismatch &) {
    }
    const auto events = listener.events();
    CHECK(events.count() == 1 && events.get<std::string>("0/kind") == "schema_mismatch");
    CHECK(listener.events().count() == 0 && listener.stats().get<int>("forgotten") == 0);
}

void records() {
    for (const std::string &schema : {watts, newer}) {
        linkspan::publisher out("journal:test/power", with(schema));
        out.send(linkspan::message().put("watts", 1.0));
    }
    linkspan::options o = with(newer);
    o.from = "first";
    linkspan::subscriber in("journal:test/power", o);
    CHECK(!linkspan::schema("journal:test/power", in.recv(20s)).contains("type/fields/1"));
    CHECK(linkspan::schema("journal:test/power", in.recv(20s)).get<std::string>("type/fields/1/name") == "phase");
}

} // namespace

int main() {
    on("unix:test/schema");
    on("shm:test/schema");
    replies();
    listeners();
    records();
    std::puts("ok");
}
