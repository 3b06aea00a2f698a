package io.turnkeeper.remote;

import tools.jackson.databind.node.ObjectNode;

/** What a worker said, under its number: dense from 1 in each attempt. */
public record Message(int seq, ObjectNode data) {}
