"""The address space of a skid: folders by component, tags as data items, instructions as methods.

Where everything is says the layout. On our own servers a tag's dotted name is its browse path below
``Objects/<skid>``: ``PumpA.Flow`` is the variable ``Flow`` in the folder ``PumpA``, and ``System.Flow.SP``
the variable ``SP`` below the variable ``Flow``. Numbers are analogue items with range and engineering unit,
positions and states are discrete items with their names (OPC 10000-8). Clients find everything by namespace
URI and browse names; node ids are nobody's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asyncua import Server, ua

from minifactory.opcua.publication import Publication
from minifactory.opcua.wire import Form, eu_information, eu_range
from minifactory.signals.tags import Instruction, Tag, TagTable

SIMULATION_FOLDER = "Simulation"
ADVANCE, ORDER = "AdvanceTo", "Order"
ACCEPTED, REASON = "Accepted", "Reason"

Method = Callable[..., Awaitable[Any]]


class SkidAddressSpace:
    """Adds the nodes of one skid to a server and remembers which node is which tag.

    Parameters
    ----------
    server : Server
        An initialised, not yet started server.
    publication : Publication
        Where the values come from.
    """

    def __init__(self, server: Server, publication: Publication) -> None:
        self._server = server
        self._publication = publication
        self._session = server.iserver.isession
        self._index = 0
        self._folders: dict[tuple[str, ...], ua.NodeId] = {}
        self.place: dict[ua.NodeId, int] = {}
        self.refusal: ua.NodeId = ua.NodeId()

    async def build(
        self,
        instruct: Callable[[Instruction], Method],
        advance: Method | None,
        operate: Callable[[str], Method],
    ) -> None:
        """Make all nodes.

        Parameters
        ----------
        instruct : callable
            Gives the coroutine function that carries out an instruction.
        advance : callable, optional
            The coroutine function behind ``Simulation.AdvanceTo``; None outside lock-step.
        operate : callable
            Gives the coroutine function that does what a person does at the equipment itself.
        """
        table, layout = self._publication.source.table, self._publication.layout
        self._index = await self._server.register_namespace(layout.namespace)
        self._folders[()] = await self._object((table.skid,), ua.NodeId(ua.ObjectIds.ObjectsFolder))
        # Shorter paths first, so that a set-point finds the variable that it belongs to.
        for tag in sorted(self._publication.tags, key=lambda tag: len(layout.tags[tag.name].path)):
            await self._tag(tag)
        for instruction in table.instructions.values():
            await self._instruction(instruction, instruct(instruction))
        for action, path in layout.console.items():
            await self._method(path, operate(action), [], [], f"As a person does at the equipment: {action}")
        self.refusal = await self._variable(
            layout.refusal,
            ua.Variant("", ua.VariantType.String),
            ua.ObjectIds.BaseDataVariableType,
            "Why the last set-point or instruction was refused",
        )
        if advance is not None:
            await self._simulation(table, advance)

    async def note_refusal(self, reason: str) -> None:
        """Show why something was refused."""
        await self._server.iserver.write_attribute_value(
            self.refusal, ua.DataValue(ua.Variant(reason, ua.VariantType.String))
        )

    async def announce(self) -> None:
        """Offer the newest values to whoever subscribed to them."""
        for nodeid, place in self.place.items():
            attribute = self._server.iserver.aspace[nodeid].attributes[ua.AttributeIds.Value]
            if attribute.datachange_callbacks:
                value = self._publication.data_value(place)
                for handle, callback in list(attribute.datachange_callbacks.items()):
                    await callback(handle, value)

    async def _tag(self, tag: Tag) -> None:
        publication = self._publication
        place = publication.position[tag.name]
        item = publication.items[place]
        kind = item.form
        span = eu_range(tag, item.unit) if kind.analogue else None
        if kind.analogue:
            type_id = ua.ObjectIds.AnalogItemType if span else ua.ObjectIds.BaseAnalogType
        elif kind is Form.BOOLEAN:
            type_id = ua.ObjectIds.TwoStateDiscreteType
        else:
            type_id = ua.ObjectIds.MultiStateDiscreteType
        value = publication.data_value(place).Value
        empty = value is None or value.VariantType is ua.VariantType.Null
        first = ua.Variant(0.0, ua.VariantType.Double) if empty else value
        nodeid = await self._variable(
            item.path, first, type_id, tag.description, DATA_TYPES[kind], tag.writable
        )
        self.place[nodeid] = place
        self._server.iserver.set_attribute_value_callback(
            nodeid, lambda _node, _attribute, place=place: publication.data_value(place)
        )
        if span:
            await self._property(nodeid, "EURange", _structure(span), ua.ObjectIds.Range)
        if kind.analogue:
            unit = _structure(eu_information(item.unit))
            await self._property(nodeid, "EngineeringUnits", unit, ua.ObjectIds.EUInformation)
        elif kind is Form.BOOLEAN:
            for name, choice in zip(("FalseState", "TrueState"), item.names, strict=True):
                await self._property(nodeid, name, _text(choice), ua.ObjectIds.LocalizedText)
        else:
            names = [ua.LocalizedText(choice) for choice in item.names]
            variant = ua.Variant(names, ua.VariantType.LocalizedText)
            await self._property(nodeid, "EnumStrings", variant, ua.ObjectIds.LocalizedText)

    async def _instruction(self, instruction: Instruction, method: Method) -> None:
        call = self._publication.layout.instructions[instruction.name]
        inputs = [_argument(name, ua.ObjectIds.Double, unit) for name, unit in call.arguments]
        inputs.append(_argument(call.number, ua.ObjectIds.UInt32, "grows with every instruction of a run"))
        inputs.append(_argument(call.owner, ua.ObjectIds.String, "who asks"))
        outputs = [
            _argument(ACCEPTED, ua.ObjectIds.Boolean, "whether the instruction was accepted"),
            _argument(REASON, ua.ObjectIds.String, "why not"),
        ]
        await self._method(call.path, method, inputs, outputs, instruction.description)

    async def _simulation(self, table: TagTable, advance: Method) -> None:
        names = ua.Variant([tag.name for tag in table.readable], ua.VariantType.String)
        await self._variable(
            (SIMULATION_FOLDER, ORDER),
            names,
            ua.ObjectIds.BaseDataVariableType,
            "The tags in the order in which AdvanceTo returns their values",
            ua.ObjectIds.String,
        )
        outputs = [
            _argument("ProcessTime", ua.ObjectIds.Double, "s"),
            _argument("Values", ua.ObjectIds.Double, "in each tag's unit, as listed in Order", 1),
            _argument("StatusCodes", ua.ObjectIds.UInt32, "empty when all are good", 1),
        ]
        inputs = [_argument("ProcessTime", ua.ObjectIds.Double, "s")]
        about = "Let process time run to ProcessTime and return the image at that time"
        await self._method((SIMULATION_FOLDER, ADVANCE), advance, inputs, outputs, about)

    async def _parent(self, path: tuple[str, ...]) -> ua.NodeId:
        if path not in self._folders:
            self._folders[path] = await self._object(path, await self._parent(path[:-1]))
        return self._folders[path]

    async def _object(self, path: tuple[str, ...], parent: ua.NodeId) -> ua.NodeId:
        attributes = ua.ObjectAttributes()
        attributes.DisplayName = ua.LocalizedText(path[-1])
        attributes.Description = ua.LocalizedText("")
        attributes.EventNotifier = 0
        return await self._add(
            path, parent, ua.NodeClass.Object, attributes, ua.ObjectIds.Organizes, ua.ObjectIds.FolderType
        )

    async def _variable(
        self,
        path: tuple[str, ...],
        value: ua.Variant,
        type_id: int,
        description: str,
        data_type: int = ua.ObjectIds.String,
        writable: bool = False,
    ) -> ua.NodeId:
        access = ua.AccessLevel.CurrentRead.mask | (ua.AccessLevel.CurrentWrite.mask if writable else 0)
        attributes = _variable_attributes(path[-1], value, description, data_type, access)
        nodeid = await self._add(
            path,
            await self._parent(path[:-1]),
            ua.NodeClass.Variable,
            attributes,
            ua.ObjectIds.HasComponent,
            type_id,
        )
        self._folders[path] = nodeid
        return nodeid

    async def _property(self, parent: ua.NodeId, name: str, value: ua.Variant, data_type: int) -> None:
        item = ua.AddNodesItem()
        item.RequestedNewNodeId = ua.NodeId(f"{parent.Identifier}/{name}", self._index)
        item.BrowseName = ua.QualifiedName(name, 0)
        item.NodeClass = ua.NodeClass.Variable
        item.ParentNodeId = parent
        item.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HasProperty)
        item.TypeDefinition = ua.NodeId(ua.ObjectIds.PropertyType)
        item.NodeAttributes = _variable_attributes(
            name, value, "", data_type, ua.AccessLevel.CurrentRead.mask
        )
        await self._added(item)

    async def _method(
        self,
        path: tuple[str, ...],
        method: Method,
        inputs: list[ua.Argument],
        outputs: list[ua.Argument],
        description: str,
    ) -> None:
        attributes = ua.MethodAttributes()
        attributes.DisplayName = ua.LocalizedText(path[-1])
        attributes.Description = ua.LocalizedText(description)
        attributes.Executable = attributes.UserExecutable = True
        nodeid = await self._add(
            path,
            await self._parent(path[:-1]),
            ua.NodeClass.Method,
            attributes,
            ua.ObjectIds.HasComponent,
            None,
        )
        for name, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            value = ua.Variant(arguments, ua.VariantType.ExtensionObject)
            await self._property(nodeid, name, value, ua.ObjectIds.Argument)
        self._session.add_method_callback(nodeid, method)

    async def _add(
        self,
        path: tuple[str, ...],
        parent: ua.NodeId,
        node_class: ua.NodeClass,
        attributes: Any,
        reference: int,
        type_id: int | None,
    ) -> ua.NodeId:
        item = ua.AddNodesItem()
        item.RequestedNewNodeId = ua.NodeId(".".join(path), self._index)
        item.BrowseName = ua.QualifiedName(path[-1], self._index)
        item.NodeClass = node_class
        item.ParentNodeId = parent
        item.ReferenceTypeId = ua.NodeId(reference)
        if type_id is not None:
            item.TypeDefinition = ua.NodeId(type_id)
        item.NodeAttributes = attributes
        return await self._added(item)

    async def _added(self, item: ua.AddNodesItem) -> ua.NodeId:
        (result,) = await self._session.add_nodes([item])
        result.StatusCode.check()
        return result.AddedNodeId


DATA_TYPES: Mapping[Form, int] = {item: item.value for item in Form}
"""Node ids of the built-in types: their own numbers (OPC 10000-6 section 5.1.2)."""


def _variable_attributes(
    name: str, value: ua.Variant, description: str, data_type: int, access: int
) -> ua.VariableAttributes:
    attributes = ua.VariableAttributes()
    attributes.DisplayName = ua.LocalizedText(name)
    attributes.Description = ua.LocalizedText(description)
    attributes.DataType = ua.NodeId(data_type)
    attributes.Value = value
    attributes.ValueRank = ua.ValueRank.OneDimension if value.is_array else ua.ValueRank.Scalar
    attributes.ArrayDimensions = None
    attributes.WriteMask = attributes.UserWriteMask = 0
    attributes.Historizing = False
    attributes.AccessLevel = attributes.UserAccessLevel = access
    return attributes


def _argument(name: str, data_type: int, description: str, dimensions: int = 0) -> ua.Argument:
    argument = ua.Argument()
    argument.Name = name
    argument.DataType = ua.NodeId(data_type)
    argument.ValueRank = dimensions or -1
    argument.ArrayDimensions = [0] * dimensions
    argument.Description = ua.LocalizedText(description)
    return argument


def _structure(value: Any) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.ExtensionObject)


def _text(value: str) -> ua.Variant:
    return ua.Variant(ua.LocalizedText(value), ua.VariantType.LocalizedText)
