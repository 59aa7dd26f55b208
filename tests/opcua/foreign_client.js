// Browses and reads the virtual skid with node-opcua, an implementation that shares no code with ours.
// Arguments: endpoint, certificate (PEM), private key (PEM), application URI, folder for its own PKI.
// Prints one JSON document: {"refused": reason} or what it browsed and read.
const {
  AttributeIds, MessageSecurityMode, OPCUAClient, SecurityPolicy, makeBrowsePath,
} = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

async function main([endpoint, certificateFile, privateKeyFile, applicationUri, folder]) {
  const certificates = new OPCUACertificateManager({
    rootFolder: folder, automaticallyAcceptUnknownCertificate: true,
  });
  await certificates.initialize();
  const client = OPCUAClient.create({
    applicationName: "foreign", applicationUri, certificateFile, privateKeyFile,
    clientCertificateManager: certificates,
    securityMode: MessageSecurityMode.SignAndEncrypt,
    securityPolicy: SecurityPolicy.Basic256Sha256,
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0 },
  });
  try {
    await client.connect(endpoint);
    const session = await client.createSession();
    const namespaces = await session.readNamespaceArray();
    const index = namespaces.indexOf("urn:minifactory:skid");
    const skid = (await session.browse("ObjectsFolder")).references
      .find((reference) => reference.browseName.namespaceIndex === index);
    const folders = (await session.browse(skid.nodeId)).references.map((item) => item.browseName.name);
    const find = async (...names) => {
      const path = makeBrowsePath("ObjectsFolder", [skid.browseName.name, ...names]
        .map((name) => (name.startsWith("0:") ? `/${name}` : `/${index}:${name}`)).join(""));
      return (await session.translateBrowsePath(path)).targets[0].targetId;
    };
    const read = async (nodeId) => session.read({ nodeId, attributeId: AttributeIds.Value });
    const flow = await find("System", "Flow");
    const flowValue = await read(flow);
    const unit = await read(await find("System", "Flow", "0:EngineeringUnits"));
    const states = await read(await find("System", "State", "0:EnumStrings"));
    const written = await session.write({
      nodeId: await find("System", "Flow", "SP"), attributeId: AttributeIds.Value,
      value: { value: { dataType: "Double", value: 12.5 } },
    });
    const called = await session.call({
      objectId: await find("Instruction"), methodId: await find("Instruction", "Gradient"),
      inputArguments: [
        { dataType: "Double", value: 40 }, { dataType: "Double", value: 10 },
        { dataType: "UInt32", value: 1 }, { dataType: "String", value: "foreign" },
      ],
    });
    console.log(JSON.stringify({
      folders, flow: flowValue.value.value, status: flowValue.statusCode.name,
      stamped: flowValue.sourceTimestamp instanceof Date, unit: unit.value.value.displayName.text,
      states: states.value.value.map((item) => item.text), written: written.name,
      called: called.outputArguments.map((item) => item.value),
    }));
    await session.close();
  } catch (fault) {
    console.log(JSON.stringify({ refused: fault.message }));
  } finally {
    await client.disconnect();
    await certificates.dispose();
  }
}

main(process.argv.slice(2)).then(() => process.exit(0));
