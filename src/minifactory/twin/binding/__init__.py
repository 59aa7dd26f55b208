"""Binding models: one file per model, with its equation and source.

A model is data by component name with a method ``compile(components)``; the engine turns its law into a
kernel. A further model is one such file, offered under the entry point group ``minifactory.binding``; see
:mod:`minifactory.twin.binding.plug_ins`.
"""

from minifactory.twin.binding.anti_langmuir import AntiLangmuir
from minifactory.twin.binding.bi_langmuir import BiLangmuir
from minifactory.twin.binding.breakthrough import Breakthrough
from minifactory.twin.binding.colloidal import Colloidal
from minifactory.twin.binding.freundlich import Freundlich
from minifactory.twin.binding.generalised_ion_exchange import GeneralisedIonExchange
from minifactory.twin.binding.hydrophobic_interaction import HydrophobicInteraction
from minifactory.twin.binding.langmuir import Langmuir
from minifactory.twin.binding.linear import Linear
from minifactory.twin.binding.linear_driving_force import LinearDrivingForce
from minifactory.twin.binding.modulated_langmuir import ModulatedLangmuir
from minifactory.twin.binding.multi_state_sma import MultiStateSMA
from minifactory.twin.binding.none import NoBinding
from minifactory.twin.binding.plug_ins import find_binding_models
from minifactory.twin.binding.protocol import BindingLaw, BindingModel, CompiledBinding, lay_out
from minifactory.twin.binding.steric_mass_action import StericMassAction
from minifactory.twin.binding.weak_exchanger import WeakExchanger

__all__ = [
    "AntiLangmuir",
    "BiLangmuir",
    "BindingLaw",
    "BindingModel",
    "Breakthrough",
    "Colloidal",
    "CompiledBinding",
    "Freundlich",
    "GeneralisedIonExchange",
    "HydrophobicInteraction",
    "Langmuir",
    "Linear",
    "LinearDrivingForce",
    "ModulatedLangmuir",
    "MultiStateSMA",
    "NoBinding",
    "StericMassAction",
    "WeakExchanger",
    "find_binding_models",
    "lay_out",
]
