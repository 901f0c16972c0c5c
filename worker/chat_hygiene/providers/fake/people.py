"""Made-up people with numbers that no one can have: ranges set aside for film and fiction by their regulators."""

import random
from dataclasses import dataclass

# Given names, family names, and the number's fixed and free parts (# is any digit, N any but 0).
_COUNTRIES: tuple[tuple[str, str, str], ...] = (
    (
        "Oliver Amelia Harry Isla George Freya Priya Zainab Callum Eilidh",
        "Bennett Hughes Patel Okafor Whitfield Marsh Sinclair Rahman Doyle Ashworth",
        "447700900###",
    ),
    (
        "Camille Lucas Inès Hugo Aïcha Mathis Léa Théo Manon Rayan",
        "Moreau Lefèvre Garnier Diallo Rousseau Chevalier Benali Marchand Perrin Faure",
        "3363998####",
    ),
    (
        "Lucía Javier Carmen Álvaro Marta Iker Nerea Diego Paula Gonzalo",
        "Serrano Vidal Ibáñez Ortega Castaño Rueda Salas Prieto Arce Montoya",
        "130555501##",
    ),
    (
        "Jonas Lena Emre Sophie Björn Mia Aylin Felix Greta Tobias",
        "Krüger Vogel Yilmaz Brandt Schäfer Hoffmann Lorenz Weiß Arslan Busch",
        "49176040690##",
    ),
    (
        "Astrid Nils Elsa Viktor Saga Oskar Maja Linnéa Emil Tuva",
        "Lindqvist Åkesson Bergström Nyberg Sandell Hedlund Ekman Öberg Forsberg Dahl",
        "467017406N#",
    ),
    (
        "Aoife Cian Niamh Oisín Saoirse Darragh Róisín Fionn Gráinne Tadhg",
        "Byrne Gallagher Ó Súilleabháin Nolan Keane Brennan Farrell Quinn Hegarty Lacey",
        "35320911####",
    ),
    (
        "Maya Ethan Jasmine Carlos Naomi Andre Grace Kenji Leila Samuel",
        "Whitaker Nguyen Delgado Brooks Sato Haddad Coleman Park Rivera Goldberg",
        "121255501##",
    ),
    (
        "Thandiwe Kofi Chiamaka Yusuf Wanjiru Sizwe Abena Tariq Folake Zola",
        "Mensah Dlamini Adeyemi Kamau Nkosi Boateng Eze Mwangi Sow Achieng",
        "164655501##",
    ),
)
_DIGITS = {"#": "0123456789", "N": "123456789"}

MAX_PEOPLE = 15_000
"""The ranges hold some 20,000 numbers."""


@dataclass(frozen=True, slots=True)
class Person:
    """A name and a number (digits only)."""

    name: str
    number: str


class People:
    """Draws people at random, none of them twice by number."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._given: set[str] = set()

    def draw(self) -> Person:
        """A new person."""
        while True:
            firsts, lasts, pattern = self._chance.choice(_COUNTRIES)
            number = "".join(self._chance.choice(_DIGITS.get(mark, mark)) for mark in pattern)
            if number not in self._given:
                self._given.add(number)
                return Person(
                    f"{self._chance.choice(firsts.split())} {self._chance.choice(lasts.split())}", number
                )
