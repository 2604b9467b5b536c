package bacnet

import "strings"

// objectTypes are the names of object types by their number (clause 21, BACnetObjectType).
var objectTypes = strings.Fields(`
analog-input analog-output analog-value binary-input binary-output binary-value calendar command device
event-enrollment file group loop multi-state-input multi-state-output notification-class program schedule averaging
multi-state-value trend-log life-safety-point life-safety-zone accumulator pulse-converter event-log global-group
trend-log-multiple load-control structured-view access-door timer access-credential access-point access-rights
access-user access-zone credential-data-input network-security bitstring-value characterstring-value
date-pattern-value date-value datetime-pattern-value datetime-value integer-value large-analog-value octetstring-value
positive-integer-value time-pattern-value time-value notification-forwarder alert-enrollment channel lighting-output
binary-lighting-output network-port elevator-group escalator lift staging audit-log audit-reporter color
color-temperature
`)

// errorClasses and errorCodes are the names of what an error says (clause 18, BACnetErrorClass and BACnetErrorCode).
var (
	errorClasses = strings.Fields(`device object property resources security services vt communication`)
	errorCodes   = strings.Fields(`
other authentication-failed configuration-in-progress device-busy dynamic-creation-not-supported file-access-denied
incompatible-security-levels inconsistent-parameters inconsistent-selection-criterion invalid-data-type
invalid-file-access-method invalid-file-start-position invalid-operator-name invalid-parameter-data-type
invalid-time-stamp key-generation-error missing-required-parameter no-objects-of-specified-type no-space-for-object
no-space-to-add-list-element no-space-to-write-property no-vt-sessions-available property-is-not-a-list
object-deletion-not-permitted object-identifier-already-exists operational-problem password-failure read-access-denied
security-not-supported service-request-denied timeout unknown-object unknown-property - unknown-vt-class
unknown-vt-session unsupported-object-type value-out-of-range vt-session-already-closed vt-session-termination-failure
write-access-denied character-set-not-supported invalid-array-index cov-subscription-failed not-cov-property
optional-functionality-not-supported invalid-configuration-data datatype-not-supported duplicate-name
duplicate-object-id property-is-not-an-array abort-buffer-overflow abort-invalid-apdu-in-this-state
abort-preempted-by-higher-priority-task abort-segmentation-not-supported abort-proprietary abort-other invalid-tag
network-down reject-buffer-overflow reject-inconsistent-parameters reject-invalid-parameter-data-type
reject-invalid-tag reject-missing-required-parameter reject-parameter-out-of-range reject-too-many-arguments
reject-undefined-enumeration reject-unrecognized-service reject-proprietary reject-other unknown-device unknown-route
value-not-initialized invalid-event-state no-alarm-configured log-buffer-full logged-value-purged
no-property-specified not-configured-for-triggered-logging unknown-subscription parameter-out-of-range
list-element-not-found busy communication-disabled success access-denied bad-destination-address
bad-destination-device-id bad-signature bad-source-address bad-timestamp cannot-use-key cannot-verify-message-id
correct-key-revision destination-device-id-required duplicate-message encryption-not-configured encryption-required
incorrect-key invalid-key-data key-update-in-progress malformed-message not-key-server security-not-configured
source-security-required too-many-keys unknown-authentication-type unknown-key unknown-key-revision
unknown-source-message not-router-to-dnet router-busy unknown-network-message message-too-long security-error
addressing-error write-bdt-failed read-bdt-failed register-foreign-device-failed read-fdt-failed
delete-fdt-entry-failed distribute-broadcast-failed unknown-file-size abort-apdu-too-long
abort-application-exceeded-reply-time abort-out-of-resources abort-tsm-timeout abort-window-size-out-of-range
file-full inconsistent-configuration inconsistent-object-type internal-error not-configured out-of-memory
value-too-long abort-insufficient-security abort-security-error duplicate-entry invalid-value-in-this-state
invalid-operation-in-this-state list-item-not-numbered list-item-not-timestamped invalid-data-encoding
bvlc-function-unknown bvlc-proprietary-function-unknown header-encoding-error header-not-understood message-incomplete
not-a-bacnet-sc-hub payload-expected unexpected-data node-duplicate-vmac http-unexpected-response-code http-no-upgrade
http-resource-not-local http-proxy-authentication-failed http-response-timeout http-response-syntax-error
http-response-value-error http-response-missing-header http-websocket-header-error http-upgrade-required
http-upgrade-error http-temporary-unavailable http-not-a-server http-error websocket-scheme-not-supported
websocket-unknown-control-message websocket-close-error websocket-closed-by-peer websocket-endpoint-leaves
websocket-protocol-error websocket-data-not-accepted websocket-closed-abnormally websocket-data-inconsistent
websocket-data-against-policy websocket-frame-too-long websocket-extension-missing websocket-request-unavailable
websocket-error tls-client-certificate-error tls-server-certificate-error tls-client-authentication-failed
tls-server-authentication-failed tls-client-certificate-expired tls-server-certificate-expired
tls-client-certificate-revoked tls-server-certificate-revoked tls-error dns-unavailable dns-name-resolution-failed
dns-resolver-failure dns-error tcp-connect-timeout tcp-connection-refused tcp-closed-by-local tcp-closed-other
tcp-error ip-address-not-reachable ip-error
`)
)
