/* The OPC UA server of the lab's waterworks: open62541 1.4 with security None, as old plants have it.
 *
 * usage: server ADDRESS NAME APPLICATION
 *
 * Address space (namespace 1), below Objects/Waterworks: three stations, each with measured values that
 * follow their setpoints, a counter, a name plate nobody may write, and setpoints everybody may write. Ends on SIGINT or
 * SIGTERM.
 */
#include <open62541/plugin/accesscontrol_default.h>
#include <open62541/server.h>
#include <open62541/server_config_default.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_MS = 250, STATIONS = 3 };

static const struct station {
    const char *name;
    const char *plate;
    const char *value;
    double setpoint;
    double lag_s;
    double noise;
} stations[STATIONS] = {
    {"Intake", "Raw water intake, pumps 1 and 2", "Level", 3.20, 9.0, 0.012},
    {"Dosing", "Chlorine dosing, line A", "Chlorine", 0.45, 6.0, 0.004},
    {"HighLift", "High lift pumps, zone 2", "Pressure", 4.20, 4.0, 0.016},
};

static volatile UA_Boolean running = true;
static double values[STATIONS];
static UA_UInt32 strokes[STATIONS];

static void stop(int sig) {
    (void)sig;
    running = false;
}

static UA_NodeId node_of(size_t i, const char *leaf, char *buf, size_t size) {
    snprintf(buf, size, "%s.%s", stations[i].name, leaf);
    return UA_NODEID_STRING(1, buf);
}

/* noise returns a value in [-1, 1) from a fixed seed, so that two runs have the same process. */
static double noise(void) {
    static UA_UInt32 state = 20260102;
    state = state * 1664525u + 1013904223u;
    return (double)(UA_Int32)state / 2147483648.0;
}

static void step(UA_Server *server, void *data) {
    (void)data;
    char id[64];
    for(size_t i = 0; i < STATIONS; i++) {
        UA_Variant v;
        double setpoint = stations[i].setpoint;
        if(UA_Server_readValue(server, node_of(i, "Setpoint", id, sizeof id), &v) == UA_STATUSCODE_GOOD) {
            if(UA_Variant_hasScalarType(&v, &UA_TYPES[UA_TYPES_DOUBLE]))
                setpoint = *(UA_Double *)v.data;
            UA_Variant_clear(&v);
        }
        values[i] += (setpoint - values[i]) * STEP_MS / 1000.0 / stations[i].lag_s + noise() * stations[i].noise;
        UA_Variant_setScalar(&v, &values[i], &UA_TYPES[UA_TYPES_DOUBLE]);
        UA_Server_writeValue(server, node_of(i, stations[i].value, id, sizeof id), v);
        strokes[i]++;
        UA_Variant_setScalar(&v, &strokes[i], &UA_TYPES[UA_TYPES_UINT32]);
        UA_Server_writeValue(server, node_of(i, "Strokes", id, sizeof id), v);
    }
}

static UA_StatusCode add_variable(UA_Server *server, UA_NodeId parent, size_t i, const char *leaf, void *value,
                                  const UA_DataType *type, UA_Byte access) {
    char id[64];
    UA_VariableAttributes attr = UA_VariableAttributes_default;
    UA_Variant_setScalar(&attr.value, value, type);
    attr.dataType = type->typeId;
    attr.accessLevel = access;
    attr.displayName = UA_LOCALIZEDTEXT("en", (char *)leaf);
    return UA_Server_addVariableNode(server, node_of(i, leaf, id, sizeof id), parent,
                                     UA_NODEID_NUMERIC(0, UA_NS0ID_HASCOMPONENT), UA_QUALIFIEDNAME(1, (char *)leaf),
                                     UA_NODEID_NUMERIC(0, UA_NS0ID_BASEDATAVARIABLETYPE), attr, NULL, NULL);
}

static UA_StatusCode add_object(UA_Server *server, UA_NodeId parent, UA_UInt32 reference, const char *name) {
    UA_ObjectAttributes attr = UA_ObjectAttributes_default;
    attr.displayName = UA_LOCALIZEDTEXT("en", (char *)name);
    return UA_Server_addObjectNode(server, UA_NODEID_STRING(1, (char *)name), parent, UA_NODEID_NUMERIC(0, reference),
                                   UA_QUALIFIEDNAME(1, (char *)name), UA_NODEID_NUMERIC(0, UA_NS0ID_BASEOBJECTTYPE), attr,
                                   NULL, NULL);
}

static UA_StatusCode add_address_space(UA_Server *server) {
    const UA_Byte readable = UA_ACCESSLEVELMASK_READ, writable = UA_ACCESSLEVELMASK_READ | UA_ACCESSLEVELMASK_WRITE;
    UA_StatusCode bad = add_object(server, UA_NODEID_NUMERIC(0, UA_NS0ID_OBJECTSFOLDER), UA_NS0ID_ORGANIZES, "Waterworks");
    for(size_t i = 0; i < STATIONS; i++) {
        UA_NodeId parent = UA_NODEID_STRING(1, (char *)stations[i].name);
        UA_String plate = UA_STRING((char *)stations[i].plate);
        UA_Double setpoint = stations[i].setpoint, actuator = 52.5;
        values[i] = setpoint;
        bad |= add_object(server, UA_NODEID_STRING(1, "Waterworks"), UA_NS0ID_HASCOMPONENT, stations[i].name);
        bad |= add_variable(server, parent, i, stations[i].value, &values[i], &UA_TYPES[UA_TYPES_DOUBLE], readable);
        bad |= add_variable(server, parent, i, "Strokes", &strokes[i], &UA_TYPES[UA_TYPES_UINT32], readable);
        bad |= add_variable(server, parent, i, "NamePlate", &plate, &UA_TYPES[UA_TYPES_STRING], readable);
        bad |= add_variable(server, parent, i, "Setpoint", &setpoint, &UA_TYPES[UA_TYPES_DOUBLE], writable);
        bad |= add_variable(server, parent, i, "Actuator", &actuator, &UA_TYPES[UA_TYPES_DOUBLE], writable);
    }
    return bad;
}

static void replace(UA_String *field, const char *text) {
    UA_String_clear(field);
    *field = UA_String_fromChars(text);
}

/* configure names the server as its product would, and listens on one address only. */
static UA_StatusCode configure(UA_ServerConfig *config, const char *address, const char *name, const char *application) {
    char url[128], uri[128];
    UA_StatusCode bad = UA_ServerConfig_setMinimal(config, 4840, NULL);
    if(bad != UA_STATUSCODE_GOOD)
        return bad;
    snprintf(url, sizeof url, "opc.tcp://%s:4840", address);
    snprintf(uri, sizeof uri, "urn:%s:waterworks", name);
    for(size_t i = 0; i < config->serverUrlsSize; i++)
        UA_String_clear(&config->serverUrls[i]);
    replace(&config->serverUrls[0], url);
    config->serverUrlsSize = 1;
    replace(&config->applicationDescription.applicationUri, uri);
    for(size_t i = 0; i < config->endpointsSize; i++)
        replace(&config->endpoints[i].server.applicationUri, uri);
    UA_LocalizedText_clear(&config->applicationDescription.applicationName);
    config->applicationDescription.applicationName = UA_LOCALIZEDTEXT_ALLOC("en", application);
    return bad;
}

int main(int argc, char **argv) {
    if(argc != 4) {
        fprintf(stderr, "usage: %s ADDRESS NAME APPLICATION\n", argv[0]);
        return 2;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    UA_Server *server = UA_Server_new();
    UA_StatusCode bad = configure(UA_Server_getConfig(server), argv[1], argv[2], argv[3]);
    bad |= add_address_space(server);
    bad |= UA_Server_addRepeatedCallback(server, step, NULL, STEP_MS, NULL);
    if(bad == UA_STATUSCODE_GOOD)
        bad = UA_Server_run(server, &running);
    UA_Server_delete(server);
    if(bad != UA_STATUSCODE_GOOD)
        fprintf(stderr, "server: %s\n", UA_StatusCode_name(bad));
    return bad == UA_STATUSCODE_GOOD ? EXIT_SUCCESS : EXIT_FAILURE;
}
