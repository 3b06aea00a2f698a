package io.turnkeeper.worker;

import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The agent asks whether it may do something.
 *
 * @param id unique in its worker
 * @param toolCall ACP's toolCall, as sent
 * @param options ACP's options, as sent: {@code {optionId,name,kind}}
 */
public record PermissionRequest(String id, ObjectNode toolCall, ArrayNode options) {}
