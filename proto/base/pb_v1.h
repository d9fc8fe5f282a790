// SPDX-License-Identifier: Apache-2.0
// The door to our own generated messages. Signed documents are decoded and built in proto/ only and leave it as typed
// structs; control-plane requests and replies (control.proto) are used directly by sdk and node through this header.
#ifndef WF_BASE_PB_V1_H
#define WF_BASE_PB_V1_H

#include "proto/base/pb.h"
#include "weft/v1/capability.pb-c.h"
#include "weft/v1/charter.pb-c.h"
#include "weft/v1/control.pb-c.h"
#include "weft/v1/envelope.pb-c.h"
#include "weft/v1/identity.pb-c.h"
#include "weft/v1/product.pb-c.h"
#include "weft/v1/registry.pb-c.h"
#include "weft/v1/stream.pb-c.h"

#endif
