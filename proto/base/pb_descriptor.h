// SPDX-License-Identifier: Apache-2.0
// The door to the generated types of google/protobuf/descriptor.proto: the language in which schemas travel.
#ifndef WF_BASE_PB_DESCRIPTOR_H
#define WF_BASE_PB_DESCRIPTOR_H

#include "proto/base/pb.h"

#include "google/protobuf/descriptor.pb-c.h"

#endif
